#include "demix/search/fit_metrics.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"
#include "demix/core/progress.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/folds.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

int64_t fits_to_do(size_t metrics,
                   const std::vector<std::string>& names,
                   std::span<const int> folds,
                   std::span<const size_t> mixture_of) {
  const bool compared = count_mixtures(mixture_of) >= kFewestForTournament;
  const auto fitted = std::count_if(
      names.begin(), names.end(), [](const std::string& name) { return name != kEnsemble; });
  const int parts = compared ? *std::max_element(folds.begin(), folds.end()) + 1 : 0;
  return static_cast<int64_t>(metrics) * (fitted * parts + 1);
}

}  // namespace

size_t place_of(const std::string& name,
                const std::vector<std::string>& names,
                std::string_view key,
                std::string_view kind) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  throw Error("{}: there is no {} '{}'; {}", key, kind, name, suggestion(name, names));
}

std::vector<FitMetric> weigh_metrics(const FitConfig& config,
                                     const Swarm& swarm,
                                     const std::vector<bool>& higher_is_better,
                                     std::vector<std::string>& warnings) {
  std::vector<FitMetric> metrics;
  for (size_t m = 0; m < swarm.metrics.size(); ++m) {
    FitMetric metric;
    metric.name = swarm.metrics[m];
    metric.sign = higher_is_better[m] ? 1.0 : -1.0;
    const auto& scores = swarm.scores[m];
    const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
    if (scores.size() > 1 && *most > *least) metric.deviation = standard_deviation(scores);
    metric.weight = config.weights.empty() ? 1 : 0;
    metrics.push_back(std::move(metric));
  }
  for (const auto& [name, weight] : config.weights)
    metrics[place_of(name, swarm.metrics, "weights", "metric")].weight = weight;
  for (const auto& [name, most_lost] : config.floors)
    metrics[place_of(name, swarm.metrics, "floors", "metric")].most_lost = most_lost;
  double sum = 0;
  for (FitMetric& metric : metrics) {
    if (metric.deviation == 0) {
      warnings.push_back(
          fmt::format("All {} runs score the same on {}: it has no part in the "
                      "choice.",
                      swarm.runs.size(),
                      metric.name));
      metric.weight = 0;
    }
    sum += metric.weight;
  }
  if (!(sum > 0)) throw Error("no metric that varies has a weight above 0: nothing to optimise");
  for (FitMetric& metric : metrics) {
    metric.weight /= sum;
    if (config.units == "deviation" && metric.weight > 0) metric.weight /= metric.deviation;
  }
  return metrics;
}

void learn_metrics(const FitConfig& config,
                   const Swarm& swarm,
                   std::span<const size_t> mixture_of,
                   std::vector<FitMetric>& metrics) {
  Rng rng = Rng(config.seed).stream("fit").stream("folds");
  const auto folds = mixture_folds(mixture_of, rng);
  std::vector<std::string> names = competitor_names();
  if (config.predictor != "auto" && config.predictor != kEnsemble) names = {config.predictor};
  Progress progress("fit predictors", fits_to_do(metrics.size(), names, folds, mixture_of), "fits");
  parallel_for(metrics.size(), config.threads, [&](size_t m) {
    FitMetric& metric = metrics[m];
    const auto& scores = swarm.scores[m];
    const auto& errors = swarm.standard_errors[m];
    metric.tournament =
        compete(names, config.predictors, swarm.mixtures, scores, errors, folds, 1, &progress);
    metric.chosen = config.predictor == kEnsemble ? names.size() - 1 : metric.tournament.winner;
    metric.evidence = evidence_of(metric.tournament, metric.chosen, scores);
    if (!settle_target(metric, swarm.mixtures, scores, folds))
      metric.predictor = fitted_competitor(
          metric.tournament, metric.chosen, config.predictors, swarm.mixtures, scores, errors);
    progress.add(1);
  });
}

}  // namespace demix
