#include "demix/run/run_facts.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "demix/core/error.h"

namespace demix {
namespace {

std::string words_of_objective(const SearchConfig& config) {
  std::string words =
      config.objective == "rank"
          ? "mean percentile rank over domains"
          : "mean over domains of scores in standard deviations over random mixtures";
  if (!config.weights.empty()) words = "weighted " + words;
  if (!config.floors.empty()) words += ", with floors";
  return words;
}

}  // namespace

RunResult facts_of_run(const Workspace& workspace,
                       const ScoreSheet& sheet,
                       const std::vector<Task>& tasks) {
  const RunConfig& config = workspace.config();
  RunResult result;
  result.name = workspace.folder().filename().string();
  for (const std::string& domain : sheet.domains()) {
    std::set<std::string> measures;
    for (const ScoredMetric& scored : sheet.metrics()) {
      if (scored.metric.domain == domain) measures.insert(scored.measure);
    }
    result.domains.push_back(
        {domain,
         measures == std::set<std::string>{"bpb"}
             ? "negative bits per byte"
             : fmt::format("mean of {}, higher is better", fmt::join(measures, ", "))});
  }
  for (const ScoredMetric& scored : sheet.metrics()) {
    TaskFacts facts;
    facts.name = scored.metric.name;
    facts.domain = scored.metric.domain;
    facts.metric = scored.measure;
    facts.higher_is_better = scored.metric.higher_is_better;
    const auto task = std::find_if(
        tasks.begin(), tasks.end(), [&](const Task& one) { return one.name == scored.task; });
    const bool chooses =
        scored.measure.starts_with("acc") || scored.measure.starts_with("choice_prob");
    if (!scored.external && chooses && task != tasks.end()) {
      const double chance = chance_level(*task);  // 0 of a task without choices
      if (chance > 0) facts.chance = chance;
    }
    result.tasks.push_back(facts);
  }
  result.objective = words_of_objective(config.search);
  if (config.target_tokens) result.target_tokens = *config.target_tokens;
  result.seed = config.seed;
  result.command = "demix run " + (workspace.folder() / "config.yaml").string();
  result.config_yaml = workspace.config_text();
  return result;
}

DatasetFacts facts_of_dataset(const Workspace& workspace,
                              const std::string& name,
                              const DatasetSummary& summary) {
  const DatasetConfig& config = workspace.config().datasets.at(name);
  DatasetFacts facts;
  facts.name = name;
  facts.domain = config.domain;
  facts.path = config.blend.empty() ? (workspace.folder() / "corpus" / name / "train").string()
                                    : config.blend;
  facts.documents = summary.train_documents + summary.held_out_documents;
  facts.duplicates_removed = summary.duplicates;
  facts.train_tokens = summary.train_tokens;
  facts.heldout_tokens = summary.held_out_tokens;
  facts.available_tokens = config.tokens ? std::llround(*config.tokens) : summary.train_tokens;
  facts.bytes = summary.train_bytes + summary.held_out_bytes;
  return facts;
}

TrainedModel facts_of_model(const ModelFacts& facts,
                            const std::string& kind,
                            const std::vector<std::string>& datasets) {
  TrainedModel model;
  model.name = facts.name;
  model.kind = kind;
  model.tokens = facts.result.tokens;
  model.asked_shares = facts.data_shares;
  model.trained_by = facts.trained_by.string();
  if (!facts.result.datasets.empty()) {
    model.tokens_by_dataset.assign(datasets.size(), 0);
    model.epochs_by_dataset.assign(datasets.size(), 0);
  }
  for (size_t i = 0; i < facts.result.datasets.size(); ++i) {
    const auto at = std::find(datasets.begin(), datasets.end(), facts.result.datasets[i]);
    DEMIX_CHECK(at != datasets.end());
    const auto place = static_cast<size_t>(at - datasets.begin());
    model.tokens_by_dataset[place] = facts.result.consumed.tokens[i];
    model.epochs_by_dataset[place] = facts.result.consumed.epochs[i];
  }
  if (!facts.imported) {
    model.final_loss = facts.result.final_loss;
    model.seconds = facts.result.seconds;
  }
  return model;
}

void record_mixture(const SearchResult& found, RunResult& result) {
  result.mixture = found.data_shares;
  result.merge_weights = found.merge_weights;
  result.predicted.clear();
  for (const Prediction& prediction : found.predicted) {
    result.predicted.push_back({prediction.value, prediction.standard_error.value_or(kUnknown)});
  }
  result.tolerance.clear();
  for (const Tolerance& tolerance : found.tolerance) {
    result.tolerance.push_back(
        {tolerance.low_share, tolerance.high_share, tolerance.low_bound, tolerance.high_bound});
  }
}

void record_search(const SearchResult& found, const Composition& composition, RunResult& result) {
  record_mixture(found, result);
  for (const EvaluatedMixture& evaluated : found.evaluated) {
    SearchedProxy proxy;
    proxy.round = evaluated.round;
    proxy.mixture = evaluated.data_shares;
    proxy.merge_weights = evaluated.merge_weights;
    for (size_t d = 0; d < evaluated.domain_scores.size(); ++d) {
      const double error = evaluated.domain_errors[d];
      proxy.domains.push_back({evaluated.domain_scores[d], error > 0 ? error : kUnknown});
    }
    proxy.objective = evaluated.objective;
    proxy.predicted_objective = evaluated.predicted_objective.value_or(kUnknown);
    result.search.push_back(std::move(proxy));
  }
  for (const PredictorTrial& trial : found.trials) {
    result.predictors.push_back({trial.predictor,
                                 trial.target,
                                 trial.cv_spearman.value_or(kUnknown),
                                 trial.cv_mae.value_or(kUnknown),
                                 trial.coverage90.value_or(kUnknown),
                                 trial.chosen});
  }
  for (const FrontPoint& point : found.front) {
    FrontMixture mixture;
    mixture.merge_weights = point.merge_weights;
    mixture.mixture = composition.data_shares(point.merge_weights);
    for (size_t d = 0; d < point.scores.size(); ++d)
      mixture.domains.push_back({point.scores[d], point.uncertainties[d]});
    result.front.push_back(std::move(mixture));
  }
  result.search_end.decision = found.decision;
  result.search_end.stopped = found.stopped;
  result.search_end.next_gain = found.next_gain.value_or(kUnknown);
  result.search_end.objective_error = found.tolerance.empty() ? kUnknown : found.goal_error;
}

void record_baselines(const std::vector<MixtureFacts>& mixtures, RunResult& result) {
  for (const MixtureFacts& facts : mixtures) {
    if (facts.name == "uniform") result.uniform = facts;
    if (facts.name == "natural") result.natural = facts;
    if (facts.name == "flattened") result.flattened = facts;
    if (facts.name == "current") result.current = facts;
    if (facts.name == "found") result.found = facts;
  }
}

bool is_baseline(const MixtureFacts& facts) {
  return facts.name == "uniform" || facts.name == "natural" || facts.name == "flattened" ||
         facts.name == "current" || facts.name == "natural_unprojected";
}

}  // namespace demix
