#include "demix/run/run.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/merge/components.h"
#include "demix/report/chance.h"
#include "demix/report/report.h"
#include "demix/run/device.h"
#include "demix/run/early_checks.h"
#include "demix/run/overlaps.h"
#include "demix/run/reference_stage.h"
#include "demix/run/references.h"
#include "demix/run/run_facts.h"
#include "demix/run/search_stage.h"
#include "demix/run/state.h"
#include "demix/run/warm_start.h"

namespace demix {
namespace {

// The run while it goes through its stages.
class Loop {
 public:
  Loop(RunConfig config, const std::filesystem::path& out, const std::optional<Address>& listen);

  void corpus();
  void train();
  void search();
  void validate();
  // Writes the files that the run hands over after `stage`; `unfinished` says what is still to
  // come. What a later stage left stays.
  RunResult report(Stage stage, const std::string& unfinished);

 private:
  // Of components among which the search could not choose.
  void warn_of_equal_components();

  RunState run_;
  std::vector<MixtureFacts> elsewhere_;  // references that were trained elsewhere
  std::optional<SearchStage> search_;
  std::optional<ReferenceStage> references_;
};

Loop::Loop(RunConfig config, const std::filesystem::path& out, const std::optional<Address>& listen)
    : run_(std::move(config), out) {
  check_before_work(run_.config, run_.tokenizer, run_.sheet.metrics());
  check_proxies(run_.config, run_.sheet.metrics(), run_.tasks);
  check_items(run_.config, run_.tokenizer, run_.tasks);
  check_warm_start(run_.workspace);
  // What is wrong with files from elsewhere is said before hours of work.
  elsewhere_ = imported_references(run_.config.validate.import, run_.composition);
  if (run_.config.validate.scores)
    for (MixtureFacts& facts :
         scored_references(run_.config.validate, run_.composition, run_.sheet.metrics()))
      elsewhere_.push_back(std::move(facts));
  resolve_device(run_.config.device);
  at::set_num_threads(resolve_threads(run_.config.threads));
  if (listen) {
    run_.coordinator.emplace(
        *listen, run_.config, run_.workspace.folder(), run_.workspace.journal());
    run_.workspace.share_with(&*run_.coordinator);
  }
  run_.result = facts_of_run(run_.workspace, run_.sheet, run_.tasks);
  run_.result.device = fmt::format("{}, {} threads, {} products",
                                   run_.config.device,
                                   resolve_threads(run_.config.threads),
                                   run_.config.evaluate.dtype);
  run_.result.versions = {{"demix", DEMIX_VERSION}, {"libtorch", TORCH_VERSION}};
  run_.result.proxies = name_of(run_.proxy_kind);
}

void Loop::corpus() {
  run_.datasets = prepare_datasets(run_.workspace, run_.tokenizer);
  for (const auto& [name, shards] : run_.datasets) {
    run_.result.datasets.push_back(facts_of_dataset(run_.workspace, name, shards.summary));
    const std::string& domain = run_.result.datasets.back().domain;
    const std::vector<std::string>& domains = run_.sheet.domains();
    if (domain.empty() || std::find(domains.begin(), domains.end(), domain) != domains.end())
      continue;
    warn(fmt::format(
        "Dataset {} is meant for the domain '{}', of which nothing is scored (there are "
        "{}): to make it count, name scores of it under evaluate.domains, such as "
        "held_out/{}.",
        name,
        domain,
        fmt::join(domains, ", "),
        name));
  }
  check_constraints(run_.config, run_.dataset_tokens());
  StageClock clock(run_.workspace.journal(), "corpus");
  run_.result.shared = find_shared_documents(run_.workspace, run_.datasets);
  for (const std::string& warning : warnings_of(run_.result.shared, run_.datasets)) warn(warning);
  run_.result.overlaps = find_overlaps(run_.workspace, run_.tasks, run_.datasets, run_.tokenizer);
  for (const std::string& warning : warnings_of(run_.result.overlaps, run_.names)) warn(warning);
}

void Loop::train() {
  run_.models =
      std::make_unique<Models>(run_.workspace, run_.datasets, run_.tokenizer.vocabulary_size());
  run_.result.models.push_back(facts_of_model(run_.models->base(), "base", run_.names));

  // Imports go first: what does not fit is said before the others are trained.
  std::vector<ModelRequest> requests;
  std::map<std::string, ModelFacts> imported;
  for (size_t i = 0; i < run_.names.size(); ++i) {
    std::vector<double> only(run_.names.size(), 0);
    only[i] = 1;
    const std::string name = "components/" + run_.names[i];
    const auto import = run_.config.components.import.find(run_.names[i]);
    if (import == run_.config.components.import.end()) {
      requests.push_back({.name = name,
                          .data_shares = run_.composition.data_shares(only),
                          .training = run_.config.components,
                          .keep_early = run_.config.components.keep_early});
    } else {
      imported[name] =
          run_.models->import(name, import->second, run_.composition.data_shares(only));
    }
  }
  for (const MixtureFacts& facts : elsewhere_) {
    const auto import = run_.config.validate.import.find(facts.name);
    if (import == run_.config.validate.import.end()) continue;
    run_.imported_references[facts.name] =
        run_.models->import("references/" + facts.name, import->second.folder, facts.mixture);
  }
  std::vector<ModelFacts> trained = run_.models->train(requests, "components");
  for (size_t i = 0, next = 0; i < run_.names.size(); ++i) {
    const auto import = imported.find("components/" + run_.names[i]);
    run_.components.push_back(
        std::move(import == imported.end() ? trained[next++] : import->second));
  }

  run_.evaluation.emplace(run_.workspace, *run_.models, run_.datasets, run_.tasks, run_.tokenizer);
  run_.model_scorer.emplace(run_.workspace, *run_.evaluation);
  run_.proxies.emplace(run_.workspace, *run_.models, *run_.evaluation);
  run_.proxies->load_components(run_.components, run_.config.merge);
  warn_of_equal_components();
  for (size_t i = 0; i < run_.components.size(); ++i) {
    TrainedModel model = facts_of_model(run_.components[i], "component", run_.names);
    model.drift = run_.proxies->components().drifts()[i];
    run_.result.models.push_back(model);
    for (size_t d = 0; d < model.epochs_by_dataset.size(); ++d) {
      if (model.epochs_by_dataset[d] > 4) {
        warn(
            fmt::format("The training of {} read dataset {} {:.1f} times: it is smaller than what "
                        "was asked of it. More text, or fewer tokens per component, would make its "
                        "result more typical.",
                        model.name,
                        run_.names[d],
                        model.epochs_by_dataset[d]));
      }
    }
  }
}

void Loop::warn_of_equal_components() {
  constexpr double kUntrained = 1e-6;  // what rounding of weights makes of no training
  for (size_t i = 0; i < run_.components.size(); ++i) {
    if (run_.proxies->components().drifts()[i] < kUntrained) {
      warn(
          fmt::format("The component of {} is the base (its drift is {:.1g}): nothing was learned "
                      "from the dataset, and no share of it changes a score.",
                      run_.names[i],
                      run_.proxies->components().drifts()[i]));
    }
    for (size_t k = 0; k < i; ++k) {
      if (run_.components[k].weights_hash != run_.components[i].weights_hash) continue;
      warn(
          fmt::format("The components of {} and {} have the same weights: how the data is divided "
                      "between the two changes no score.",
                      run_.names[k],
                      run_.names[i]));
    }
  }
  for (size_t i = 0; i < run_.names.size(); ++i) {
    if (run_.composition.at(i, i) > 0) continue;
    warn(
        fmt::format("The component of {} was trained on none of it (components.mixture): its merge "
                    "weight says nothing of that dataset.",
                    run_.names[i]));
  }
}

void Loop::search() {
  search_.emplace(run_);
  search_->run();
  references_.emplace(run_, *search_, std::move(elsewhere_));
  references_->choose();
  // Their memory serves the training of the references from here on.
  run_.proxies->release_components();
}

void Loop::validate() { references_->run(); }

RunResult Loop::report(Stage stage, const std::string& unfinished) {
  constexpr const char* kReached = "reached stage";
  Journal& journal = run_.workspace.journal();
  const auto reached = journal.find(kReached, "");
  if (reached && reached->get<int>() > static_cast<int>(stage) &&
      std::filesystem::exists(run_.workspace.folder() / "result.json") &&
      std::filesystem::exists(run_.workspace.folder() / "details.json")) {
    say("the run is further than that: its result stays as it is");
    return read_result(run_.workspace.folder());
  }
  run_.result.unfinished = unfinished;
  for (const TrainedModel& model : run_.result.models)
    if (model.trained_by.empty()) run_.result.cost.tokens_trained += model.tokens;
  if (run_.proxies) {
    const ScoreBook book(journal);
    run_.result.cost.proxies = book.proxies();
    run_.result.cost.items_scored = book.items();
  }
  for (const char* stage : {"corpus",
                            "train base",
                            "train components",
                            "search",
                            "train references",
                            "validate",
                            "refine"}) {
    run_.result.cost.seconds.emplace_back(stage, run_.workspace.journal().seconds(stage));
  }
  if (const std::string warning = warning_of_chance(run_.result); !warning.empty()) warn(warning);
  run_.result.warnings = warnings();
  write_report(run_.workspace.folder(), run_.result);
  journal.put(kReached, "", "", static_cast<int>(stage));
  return run_.result;
}

}  // namespace

RunResult run_stages(RunConfig config,
                     const std::filesystem::path& out,
                     Stage last,
                     const std::optional<Address>& listen) {
  Loop loop(std::move(config), out, listen);
  loop.corpus();
  if (last == Stage::kCorpus) return loop.report(last, "base and components are to be trained");
  loop.train();
  if (last == Stage::kTrain) return loop.report(last, "the mixture is still to be searched for");
  loop.search();
  if (last == Stage::kSearch) return loop.report(last, "the references are still to be trained");
  loop.validate();
  return loop.report(Stage::kValidate, "");
}

}  // namespace demix
