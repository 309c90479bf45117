#include "demix/run/evaluation.h"

#include <ATen/ATen.h>

#include "demix/core/hash.h"
#include "demix/core/memory_folder.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/end_tokens.h"
#include "demix/model/decoder.h"
#include "demix/run/device.h"
#include "demix/run/metrics.h"

namespace demix {
namespace {

at::ScalarType scored_dtype(const RunConfig& config) {
  return resolve_dtype(config.evaluate.dtype, "evaluate.dtype");
}

}  // namespace

Evaluation::Evaluation(const Workspace& workspace,
                       const Models& models,
                       const std::map<std::string, DatasetShards>& datasets,
                       std::vector<Task> tasks,
                       const Tokenizer& tokenizer,
                       const std::string& command_log)
    : config_(workspace.config()),
      models_(models),
      split_(tasks, config_.search.select_share),
      decoder_(std::make_unique<Decoder>(models.architecture(), resolve_device(config_.device))),
      command_log_(workspace.folder() / command_log) {
  const auto metrics = metrics_of(config_.evaluate, tasks, config_.dataset_names());
  external_ = {config_.evaluate.command,
               config_.evaluate.command_seconds,
               config_.seed,
               resolve_device(config_.device).str(),
               {}};
  for (const ScoredMetric& scored : metrics)
    if (scored.external) external_.wanted.emplace_back(scored.task, scored.measure);

  std::vector<Scorer::HeldOut> held_out;
  if (reads_held_out(config_.evaluate, metrics)) {
    for (const std::string& name : held_out_datasets(config_))
      held_out.push_back({name, datasets.at(name).held_out, config_.evaluate.held_out_tokens});
  }
  ScorerConfig scorer;
  scorer.tokens_per_pass = config_.evaluate.tokens_per_pass;
  if (!config_.base.import.empty()) scorer.end_tokens = end_tokens(config_.base.import);
  scorer_ = std::make_unique<Scorer>(tasks, held_out, tokenizer, *decoder_, scorer);

  if (config_.search.searched_share() == 1) return;
  const double share = config_.search.item_share;
  for (Task& task : tasks) task = split_.searched(std::move(task), share);
  for (Scorer::HeldOut& text : held_out) {
    const auto documents = static_cast<size_t>(scorer_->documents(text.dataset));
    for (const size_t i : split_.searched("held_out/" + text.dataset, documents, share))
      text.only.push_back(static_cast<int64_t>(i));
  }
  searcher_ =
      std::make_unique<Scorer>(std::move(tasks), std::move(held_out), tokenizer, *decoder_, scorer);
}

Evaluation::~Evaluation() = default;

const Scorer& Evaluation::scorer(Items items) const {
  return items == Items::kSelection && searcher_ ? *searcher_ : *scorer_;
}

std::string Evaluation::hash(Items items) const {
  const std::string& ours = scorer(items).hash();
  if (external_.command.empty()) return ours;
  Hasher hasher;
  hasher.field(ours).field(external_.command);
  if (items == Items::kSelection && config_.search.splits_items())
    hasher.field("on the items that a search selects by").field(config_.search.select_share);
  for (const auto& [task, metric] : external_.wanted) hasher.field(task).field(metric);
  return hasher.hex();
}

std::map<std::string, std::string> Evaluation::task_hashes(Items items) const {
  std::map<std::string, std::string> hashes = scorer(items).task_hashes();
  for (const auto& [task, metric] : external_.wanted) hashes[task] = hash(items);
  return hashes;
}

Weights Evaluation::weights_of(const ModelFacts& model) const {
  return weights_over(
      models_.architecture(),
      models_.load(model).flat.to(resolve_device(config_.device), scored_dtype(config_)));
}

Scores Evaluation::score(const Weights& weights,
                         const std::string& name,
                         Items items,
                         TermsByMetric* terms,
                         ScoreJournal& journal,
                         const std::optional<ItemisedScores>& whole) const {
  Scores scores;
  const Scorer& ours = scorer(items);
  if (ours.tokens() > 0) scores = ours.score(weights, /*live=*/false, nullptr, terms, &journal);
  if (external_.command.empty()) return scores;
  const ExternalScores external = whole ? command_scores(*whole) : run_command(weights, name);
  for (const auto& [task, metric] : external_.wanted) {
    scores.tasks[task][metric] = external.scores.tasks.at(task).at(metric);
    const auto known = external.terms.find(task);
    if (terms && known != external.terms.end() && known->second.contains(metric))
      (*terms)[task][metric] = known->second.at(metric);
  }
  if (items == Items::kSelection && config_.search.splits_items())
    return split_.scores_of(external.terms, Part::kSelection, std::move(scores));
  return scores;
}

ExternalScores Evaluation::run_command(const Weights& weights, const std::string& name) const {
  const MemoryFolder folder(weights.flat.numel() * weights.flat.element_size());
  save_model(folder.path() / "model",
             models_.architecture(),
             weights,
             scored_dtype(config_),
             config_.tokenizer);
  return score_externally(
      external_, name, folder.path() / "model", folder.path() / "scores.json", command_log_);
}

ExternalScores Evaluation::command_scores(const ItemisedScores& scores) const {
  ExternalScores external;
  for (const auto& [task, metric] : external_.wanted) {
    external.scores.tasks[task][metric] = scores.scores.tasks.at(task).at(metric);
    const auto terms = scores.terms.find(task);
    if (terms != scores.terms.end() && terms->second.contains(metric))
      external.terms[task][metric] = terms->second.at(metric);
  }
  return external;
}

Experts Evaluation::read_experts(std::span<const ModelFacts> models,
                                 Items items,
                                 const std::string& label) const {
  std::vector<std::string> names;
  std::vector<std::vector<float>> tokens;
  Progress progress(label, std::ssize(models), "models");
  for (const ModelFacts& model : models) {
    names.push_back(model.name);
    tokens.push_back(scorer(items).token_log_likelihoods(weights_of(model)));
    progress.add(1);
  }
  return Experts(tokens, names);
}

}  // namespace demix
