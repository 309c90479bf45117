#include "demix/run/proxies.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/memory_folder.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/end_tokens.h"
#include "demix/evaluate/experts.h"
#include "demix/evaluate/score_journal.h"
#include "demix/merge/components.h"
#include "demix/model/decoder.h"
#include "demix/run/coordinator.h"
#include "demix/run/device.h"
#include "demix/run/metrics.h"
#include "demix/run/worker.h"

namespace demix {
void to_json(Json& json, const ProxySetup& setup) {
  json = {{"base", setup.base},
          {"components", setup.components},
          {"names", setup.names},
          {"merge", setup.merge},
          {"sum_of_models", setup.sum_of_models},
          {"dtype", setup.dtype},
          {"tasks", setup.tasks}};
}

void from_json(const Json& json, ProxySetup& setup) {
  json.at("base").get_to(setup.base);
  json.at("components").get_to(setup.components);
  json.at("names").get_to(setup.names);
  json.at("merge").get_to(setup.merge);
  json.at("sum_of_models").get_to(setup.sum_of_models);
  json.at("dtype").get_to(setup.dtype);
  json.at("tasks").get_to(setup.tasks);
}

Proxies::Proxies(Workspace& workspace,
                 const Models& models,
                 const std::map<std::string, DatasetShards>& datasets,
                 std::vector<Task> tasks,
                 const Tokenizer& tokenizer,
                 const std::string& command_log)
    : workspace_(workspace),
      split_(tasks, workspace.config().search.select_share),
      command_log_(workspace.folder() / command_log) {
  const RunConfig& config = workspace.config();
  const auto metrics = metrics_of(config.evaluate, tasks, config.dataset_names());
  external_ = {config.evaluate.command,
               config.evaluate.command_seconds,
               config.seed,
               resolve_device(config.device).str(),
               {}};
  for (const ScoredMetric& scored : metrics)
    if (scored.external) external_.wanted.emplace_back(scored.task, scored.measure);
  decoder_ = std::make_unique<Decoder>(models.architecture(), resolve_device(config.device));
  std::vector<Scorer::HeldOut> held_out;
  if (reads_held_out(config.evaluate, metrics)) {
    for (const std::string& name : held_out_datasets(config))
      held_out.push_back({name, datasets.at(name).held_out, config.evaluate.held_out_tokens});
  }
  ScorerConfig scorer;
  scorer.tokens_per_pass = config.evaluate.tokens_per_pass;
  if (!config.base.import.empty()) scorer.end_tokens = end_tokens(config.base.import);
  scorer_ = std::make_unique<Scorer>(tasks, held_out, tokenizer, *decoder_, scorer);
  const double share = config.search.item_share;
  if (config.search.searched_share() == 1) return;
  for (Task& task : tasks) task = split_.searched(std::move(task), share);
  for (Scorer::HeldOut& text : held_out) {
    const auto documents = static_cast<size_t>(scorer_->documents(text.dataset));
    for (const size_t i : split_.searched("held_out/" + text.dataset, documents, share))
      text.only.push_back(static_cast<int64_t>(i));
  }
  searcher_ =
      std::make_unique<Scorer>(std::move(tasks), std::move(held_out), tokenizer, *decoder_, scorer);
}

std::string Proxies::evaluation_hash(bool on_selection) const {
  const std::string& ours = (on_selection ? searcher() : *scorer_).hash();
  if (external_.command.empty()) return ours;
  Hasher hasher;
  hasher.field(ours).field(external_.command);
  if (on_selection && workspace_.config().search.splits_items())
    hasher.field("on the items that a search selects by")
        .field(workspace_.config().search.select_share);
  for (const auto& [task, metric] : external_.wanted) hasher.field(task).field(metric);
  return hasher.hex();
}

Proxies::~Proxies() = default;

void Proxies::load_components(const Models& models,
                              const std::vector<ModelFacts>& components,
                              const MergeConfig& merge) {
  release_components();
  const RunConfig& config = workspace_.config();
  std::vector<ComponentFolder> folders;
  Hasher hasher;
  setup_ = {.base = models.base_facts().weights_hash,
            .dtype = config.evaluate.dtype,
            .tasks = searcher().task_hashes()};
  for (const auto& [task, metric] : external_.wanted) setup_.tasks[task] = evaluation_hash(true);
  hasher.field(setup_.base);
  for (const ModelFacts& component : components) {
    folders.push_back({component.name, component.folder});
    hasher.field(component.weights_hash);
    setup_.components.push_back(component.weights_hash);
    setup_.names.push_back(component.name);
  }
  const std::string hash = hasher.hex();
  if (hash != components_hash_) {
    experts_.reset();
    selection_experts_.reset();
  }
  components_hash_ = hash;
  component_facts_ = components;
  merge_ = merge;
  const ProxyMethod method(merge, components.size(), config.seed);
  setup_.merge = method.key();
  const std::vector<double> equal(components.size(), 1.0 / static_cast<double>(components.size()));
  setup_.sum_of_models = method.factors(equal).has_value();
  // Rounded components give other proxies; where they lie makes no difference.
  if (merge.dtype == "bfloat16") setup_.merge += ", of components in bfloat16";
  for (const ProxyKind kind : {ProxyKind::kMerged, ProxyKind::kEnsemble})
    workspace_.journal().put("setup", setup_key(kind), "", Json(setup(kind)));
  const ProxyTarget target{resolve_device(config.device),
                           resolve_dtype(config.evaluate.dtype, "evaluate.dtype"),
                           workspace_.folder()};
  make_components_ = [=, &models, this] {
    components_ = std::make_unique<Components>(
        models.architecture(), models.base_facts().folder, folders, method, target, merge);
    say(components_->storage().words);
  };
  make_components_();
  component_weights_ = [this, &models, components](size_t k) {
    return scored_weights(models, components[k]);
  };
}

void Proxies::release_components() {
  proxies_.clear();
  components_.reset();
}

std::string Proxies::model_key(const ModelFacts& facts) const {
  return Hasher()
      .field("model")
      .field(facts.weights_hash)
      .field(workspace_.config().evaluate.dtype)
      .field(evaluation_hash(false))
      .hex();
}

Scores Proxies::score_model(const Models& models, const ModelFacts& facts, TermsByMetric* terms) {
  const auto of_model = [&](TermsByMetric* all, ScoreJournal& items) {
    return score(scored_weights(models, facts), facts.name, "", /*on_selection=*/false, all, items);
  };
  return kept_or(of_model, model_key(facts), facts.name, Origin{}, terms);
}

void Proxies::share_models(const Models& models,
                           std::span<const ModelFacts> facts,
                           bool with_terms,
                           const std::function<void()>& done) {
  if (!workspace_.coordinator()) return;
  std::vector<Unit> units;
  for (const ModelFacts& model : facts) {
    if (is_kept(model_key(model), with_terms)) continue;
    units.push_back(
        {.name = model.name,
         .job = scoring_job(model, with_terms),
         .here =
             [this, &models, &model, with_terms] {
               TermsByMetric terms;
               score_model(models, model, with_terms ? &terms : nullptr);
             },
         .is_recorded =
             [this, &model, with_terms] { return is_kept(model_key(model), with_terms); }});
  }
  do_all(workspace_.coordinator(), units, 1, [&](size_t) { done(); });
}

std::optional<ExternalScores> Proxies::known_external(const std::string& key) const {
  if (!is_kept(key, /*with_terms=*/true)) return std::nullopt;
  const auto scores = workspace_.journal().find("score", key)->at("scores").get<Scores>();
  const auto terms = workspace_.journal().find("terms", key)->get<TermsByMetric>();
  ExternalScores known;
  for (const auto& [task, metric] : external_.wanted) {
    known.scores.tasks[task][metric] = scores.tasks.at(task).at(metric);
    const auto of_task = terms.find(task);
    if (of_task != terms.end() && of_task->second.contains(metric))
      known.terms[task][metric] = of_task->second.at(metric);
  }
  return known;
}

Scores Proxies::score(const Weights& weights,
                      const std::string& name,
                      const std::string& whole_key,
                      bool on_selection,
                      TermsByMetric* terms,
                      ScoreJournal& items) const {
  Scores scores;
  const Scorer& scorer = on_selection ? searcher() : *scorer_;
  if (scorer.tokens() > 0) scores = scorer.score(weights, /*live=*/false, nullptr, terms, &items);
  if (external_.command.empty()) return scores;
  const RunConfig& config = workspace_.config();
  std::optional<ExternalScores> known;
  if (on_selection) known = known_external(whole_key);
  const ExternalScores external = known ? std::move(*known) : [&] {
    const at::ScalarType dtype = resolve_dtype(config.evaluate.dtype, "evaluate.dtype");
    const MemoryFolder folder(weights.flat.numel() * weights.flat.element_size());
    save_model(folder.path() / "model", decoder_->architecture(), weights, dtype, config.tokenizer);
    return score_externally(
        external_, name, folder.path() / "model", folder.path() / "scores.json", command_log_);
  }();
  for (const auto& [task, metric] : external_.wanted) {
    scores.tasks[task][metric] = external.scores.tasks.at(task).at(metric);
    const auto known = external.terms.find(task);
    if (terms && known != external.terms.end() && known->second.contains(metric))
      (*terms)[task][metric] = known->second.at(metric);
  }
  if (on_selection && config.search.splits_items())
    return split_.scores_of(external.terms, Part::kSelection, std::move(scores));
  return scores;
}

Weights Proxies::scored_weights(const Models& models, const ModelFacts& facts) const {
  const RunConfig& config = workspace_.config();
  return weights_over(
      models.architecture(),
      models.load(facts).flat.to(resolve_device(config.device),
                                 resolve_dtype(config.evaluate.dtype, "evaluate.dtype")));
}

ProxySetup Proxies::setup(ProxyKind kind) const {
  ProxySetup setup = setup_;
  if (kind == ProxyKind::kEnsemble) {
    setup.merge = "ensemble";
    setup.sum_of_models = true;
  }
  return setup;
}

std::string Proxies::setup_key(ProxyKind kind) const { return sha256(Json(setup(kind)).dump()); }

std::string Proxies::proxy_key(ProxyKind kind, const MergeRequest& request) const {
  Hasher hasher;
  hasher.field(setup(kind).merge).field(components_hash_);
  for (const double weight : request.merge_weights) hasher.field(weight);
  return hasher.field(workspace_.config().evaluate.dtype)
      .field(evaluation_hash(request.on_selection))
      .hex();
}

std::vector<Scores> Proxies::score_merges(std::span<const MergeRequest> requests,
                                          const std::function<void()>& done) {
  std::vector<std::string> keys;
  for (const MergeRequest& request : requests)
    keys.push_back(proxy_key(ProxyKind::kMerged, request));

  std::map<size_t, size_t> merged;  // request -> place in proxies_
  // Merges a request together with those after it that are still to be scored.
  const auto merge_from = [&](size_t first) {
    DEMIX_CHECK(make_components_);
    if (!components_) make_components_();
    const auto at_once = static_cast<size_t>(components_->storage().proxies);
    std::vector<std::vector<double>> mixtures;
    merged.clear();
    for (size_t i = first; i < requests.size() && mixtures.size() < at_once; ++i) {
      if (i > first && is_kept(keys[i], requests[i].terms)) continue;
      merged[i] = mixtures.size();
      mixtures.push_back(requests[i].merge_weights);
    }
    while (proxies_.size() < mixtures.size()) proxies_.push_back(components_->allocate());
    components_->merge(mixtures, std::span(proxies_).first(mixtures.size()));
  };

  std::vector<Scores> scores;
  for (size_t i = 0; i < requests.size(); ++i) {
    const MergeRequest& request = requests[i];
    const auto of_merge = [&](TermsByMetric* all, ScoreJournal& items) {
      if (!merged.contains(i)) merge_from(i);
      MergeRequest whole = request;
      whole.on_selection = false;
      return score(proxies_[merged.at(i)],
                   request.name,
                   proxy_key(ProxyKind::kMerged, whole),
                   request.on_selection,
                   all,
                   items);
    };
    scores.push_back(kept_or(
        of_merge, keys[i], request.name, Origin{ProxyKind::kMerged, &request}, request.terms));
    done();
  }
  return scores;
}

std::vector<Scores> Proxies::score_proxies(ProxyKind kind,
                                           std::span<const MergeRequest> requests,
                                           const std::function<void()>& done) {
  if (kind == ProxyKind::kEnsemble) return score_ensembles(requests, done);
  if (!workspace_.coordinator()) return score_merges(requests, done);
  share_merges(requests, done);
  return score_merges(requests, [] {});
}

void Proxies::share_merges(std::span<const MergeRequest> requests,
                           const std::function<void()>& done) {
  std::vector<MergeRequest> missing;
  for (const MergeRequest& request : requests) {
    if (is_kept(proxy_key(ProxyKind::kMerged, request), request.terms)) {
      done();
    } else {
      missing.push_back(request);
    }
  }
  if (missing.empty()) return;
  if (!components_) make_components_();
  // Merged together proxies cost less; in small parts all have something to do until the end.
  const int64_t parts = 4 * (1 + int64_t{workspace_.coordinator()->workers()});
  const auto size = static_cast<size_t>(
      std::clamp<int64_t>(std::ssize(missing) / parts, 1, components_->storage().proxies));
  std::vector<Unit> units;
  std::vector<size_t> sizes;
  for (size_t first = 0; first < missing.size(); first += size) {
    const auto part = std::span(missing).subspan(first, std::min(size, missing.size() - first));
    sizes.push_back(part.size());
    units.push_back(
        {.name = part.front().name,
         .job = scoring_job(part, component_facts_, merge_),
         .here = [this, part] { score_merges(part, [] {}); },
         .is_recorded =
             [this, part] {
               return std::all_of(part.begin(), part.end(), [&](const MergeRequest& request) {
                 return is_kept(proxy_key(ProxyKind::kMerged, request), request.terms);
               });
             }});
  }
  do_all(workspace_.coordinator(), units, 1, [&](size_t unit) {
    for (size_t i = 0; i < sizes[unit]; ++i) done();
  });
}

const Experts& Proxies::experts(bool on_selection) {
  std::unique_ptr<Experts>& experts = on_selection && searcher_ ? selection_experts_ : experts_;
  if (experts) return *experts;
  DEMIX_CHECK(component_weights_);
  experts = std::make_unique<Experts>(
      read_experts(setup_.names, component_weights_, on_selection, "read components"));
  return *experts;
}

Experts Proxies::read_experts(std::span<const std::string> names,
                              const std::function<Weights(size_t)>& weights,
                              bool on_selection,
                              const std::string& label) const {
  const Scorer& scorer = on_selection ? searcher() : *scorer_;
  std::vector<std::vector<float>> tokens;
  Progress progress(label, static_cast<int64_t>(names.size()), "models");
  for (size_t k = 0; k < names.size(); ++k) {
    tokens.push_back(scorer.token_log_likelihoods(weights(k)));
    progress.add(1);
  }
  return Experts(tokens, names);
}

std::vector<Scores> Proxies::score_ensembles(std::span<const MergeRequest> requests,
                                             const std::function<void()>& done) {
  std::vector<Scores> scores;
  for (const MergeRequest& request : requests) {
    const auto of_ensemble = [&](TermsByMetric* all, ScoreJournal&) {
      const Scorer& scorer = request.on_selection ? searcher() : *scorer_;
      return scorer.mixed_score(experts(request.on_selection), request.merge_weights, all);
    };
    scores.push_back(kept_or(of_ensemble,
                             proxy_key(ProxyKind::kEnsemble, request),
                             request.name,
                             Origin{ProxyKind::kEnsemble, &request},
                             request.terms));
    done();
  }
  return scores;
}

std::string Proxies::key_of(ProxyKind kind, std::span<const MergeRequest> requests) const {
  Hasher hasher;
  for (const MergeRequest& request : requests) hasher.field(proxy_key(kind, request));
  return hasher.hex();
}

bool Proxies::is_kept(const std::string& key, bool with_terms) const {
  const Journal& journal = workspace_.journal();
  return journal.find("score", key) && (!with_terms || journal.find("terms", key));
}

Scores Proxies::kept_or(const std::function<Scores(TermsByMetric*, ScoreJournal&)>& score,
                        const std::string& key,
                        const std::string& name,
                        const Origin& origin,
                        TermsByMetric* terms) {
  Journal& journal = workspace_.journal();
  if (is_kept(key, terms)) {
    if (terms) *terms = journal.find("terms", key)->get<TermsByMetric>();
    return journal.find("score", key)->at("scores").get<Scores>();
  }
  // The items of every proxy of a search would fill the journal.
  ScoreJournal items(journal, key);
  const Scores scores = [&] {
    try {
      return score(terms, items);
    } catch (const std::exception&) {
      std::throw_with_nested(Error("{} cannot be scored", name));
    }
  }();
  if (terms) journal.put("terms", key, name, *terms);
  // Of an ensemble no model reads an item.
  const bool reads = !origin.proxy || origin.kind == ProxyKind::kMerged;
  const bool on_selection = origin.proxy && origin.proxy->on_selection;
  Json entry = {{"scores", scores},
                {"items", reads ? (on_selection ? searcher() : *scorer_).items() : 0},
                {"merged", origin.proxy != nullptr}};
  if (origin.proxy) entry["merge_weights"] = origin.proxy->merge_weights;
  if (on_selection) entry["setup"] = setup_key(origin.kind);
  journal.put("score", key, name, entry);
  items.drop();
  return scores;
}

int64_t Proxies::proxies_scored() const {
  // One that was scored on the search's items and on all is one proxy.
  std::set<std::string> distinct;
  for (const JournalEntry& entry : workspace_.journal().all("score")) {
    if (!entry.value.at("merged").get<bool>()) continue;
    const auto weights = entry.value.find("merge_weights");
    distinct.insert(weights == entry.value.end() ? entry.key : weights->dump());
  }
  return static_cast<int64_t>(distinct.size());
}

int64_t Proxies::items_scored() const {
  int64_t count = 0;
  for (const JournalEntry& entry : workspace_.journal().all("score")) {
    count += entry.value.at("items").get<int64_t>();
  }
  return count;
}

}  // namespace demix
