// How well what was learned of a swarm foretells runs that took no part.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/search/fit_metrics.h"

namespace demix {

class FitHoldout {
 public:
  // Finds the swarm's datasets and metrics in the holdout. Refers to both. Throws Error where a
  // dataset or all metrics are missing, and where a held-out run has a dataset that the swarm
  // lacks.
  FitHoldout(const Swarm& swarm, const Swarm& holdout, std::vector<std::string>& warnings);

  // Of the metrics that both have, after learn_metrics. Warns of runs that the predictors have
  // seen.
  std::vector<HoldoutScore> judge(std::span<const FitMetric> metrics,
                                  std::vector<std::string>& warnings) const;

 private:
  HoldoutScore judge(const FitMetric& metric, const std::vector<double>& scores) const;
  bool is_same(size_t held_out_run, size_t run) const;
  void warn_of_shared_runs(std::vector<std::string>& warnings) const;

  const Swarm& swarm_;
  const Swarm& holdout_;
  std::vector<std::optional<size_t>> metrics_;  // of the swarm's metrics the holdout's
  Points mixtures_;                             // the holdout's, by the swarm's datasets
};

}  // namespace demix
