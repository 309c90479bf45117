#include "demix/search/fit_holdout.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/search/tournament.h"

namespace demix {

FitHoldout::FitHoldout(const Swarm& swarm, const Swarm& holdout, std::vector<std::string>& warnings)
    : swarm_(swarm), holdout_(holdout), mixtures_(swarm.datasets.size()) {
  std::vector<size_t> columns;
  for (const std::string& dataset : swarm.datasets)
    columns.push_back(place_of(dataset, holdout.datasets, "holdout", "dataset"));
  for (size_t j = 0; j < holdout.datasets.size(); ++j) {
    if (std::find(columns.begin(), columns.end(), j) != columns.end()) continue;
    for (size_t i = 0; i < holdout.runs.size(); ++i) {
      if (holdout.mixtures.row(i)[j] == 0) continue;
      throw Error("holdout: run '{}' has {} of '{}', a dataset that the swarm lacks",
                  holdout.runs[i],
                  holdout.mixtures.row(i)[j],
                  holdout.datasets[j]);
    }
  }
  for (size_t i = 0; i < holdout.runs.size(); ++i) {
    std::vector<double> row;
    for (size_t j : columns) row.push_back(holdout.mixtures.row(i)[j]);
    mixtures_.add(row);
  }
  for (const std::string& metric : swarm.metrics) {
    const auto found = std::find(holdout.metrics.begin(), holdout.metrics.end(), metric);
    metrics_.push_back(found == holdout.metrics.end()
                           ? std::nullopt
                           : std::optional<size_t>(found - holdout.metrics.begin()));
  }
  const auto missing = std::count(metrics_.begin(), metrics_.end(), std::nullopt);
  if (missing == std::ssize(metrics_)) {
    throw Error("holdout: it has none of the swarm's metrics; its first is '{}', the swarm's '{}'",
                holdout.metrics.front(),
                swarm.metrics.front());
  }
  if (missing > 0)
    warnings.push_back(
        fmt::format("{} of the {} metrics are not in the holdout.", missing, metrics_.size()));
  for (const std::string& warning : holdout.warnings) warnings.push_back("Holdout: " + warning);
}

std::vector<HoldoutScore> FitHoldout::judge(std::span<const FitMetric> metrics,
                                            std::vector<std::string>& warnings) const {
  warn_of_shared_runs(warnings);
  std::vector<HoldoutScore> judged;
  for (size_t m = 0; m < metrics.size(); ++m)
    if (metrics_[m]) judged.push_back(judge(metrics[m], holdout_.scores[*metrics_[m]]));
  return judged;
}

HoldoutScore FitHoldout::judge(const FitMetric& metric, const std::vector<double>& scores) const {
  const auto forecasts = metric.predictor->forecast(mixtures_);
  HoldoutScore judged{.metric = metric.name};
  std::vector<double> means;
  double squares = 0, variance = 0, inside = 0;
  const double centre = mean(scores), n = static_cast<double>(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    means.push_back(forecasts[i].mean);
    const double error = std::abs(forecasts[i].mean - scores[i]);
    judged.mae += error / n;
    inside += error <= kNinetyPercent * forecasts[i].deviation();
    squares += error * error;
    variance += (scores[i] - centre) * (scores[i] - centre);
  }
  judged.coverage90 = inside / n;  // counted, since a sum of n-ths may exceed one
  judged.spearman = spearman(means, scores);
  if (variance > 0) judged.r2 = 1 - squares / variance;
  return judged;
}

bool FitHoldout::is_same(size_t held_out_run, size_t run) const {
  for (size_t j = 0; j < mixtures_.columns(); ++j)
    if (std::abs(mixtures_.row(held_out_run)[j] - swarm_.mixtures.row(run)[j]) > 1e-6) return false;
  for (size_t m = 0; m < metrics_.size(); ++m) {
    if (!metrics_[m]) continue;
    const double score = swarm_.scores[m][run];
    if (std::abs(holdout_.scores[*metrics_[m]][held_out_run] - score) > 1e-9 * std::abs(score))
      return false;
  }
  return true;
}

void FitHoldout::warn_of_shared_runs(std::vector<std::string>& warnings) const {
  size_t shared = 0;
  for (size_t i = 0; i < mixtures_.rows(); ++i) {
    bool seen = false;
    for (size_t run = 0; run < swarm_.runs.size() && !seen; ++run) seen = is_same(i, run);
    shared += seen;
  }
  if (shared == 0) return;
  warnings.push_back(
      fmt::format("{} of the {} held-out runs are in the swarm too, with the same mixture and "
                  "scores: what was learned from cannot test what was learned.",
                  shared,
                  mixtures_.rows()));
}

}  // namespace demix
