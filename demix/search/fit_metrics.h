// What `demix fit` learns of each metric of a swarm, and how much each counts.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demix/search/fit.h"
#include "demix/search/prediction_goal.h"
#include "demix/search/surrogates.h"

namespace demix {

// One metric of the swarm.
struct FitMetric : FittedTarget {
  double sign = 1;                  // -1: lower is better
  double deviation = 0;             // of the scores; 0: constant
  double weight = 0;                // in the goal, per unit of the metric
  std::optional<double> most_lost;  // of its value at the prior
  double floor = 0;                 // of sign · value
  std::optional<RankScale> rank;    // of sign · value among the candidates, where ranks count
};

// Place of `name` in `names`. Throws Error with the nearest of them where it is none.
size_t place_of(const std::string& name,
                const std::vector<std::string>& names,
                std::string_view key,
                std::string_view kind);

// The metrics with their parts in the goal, nothing learned yet. Throws Error where none counts.
std::vector<FitMetric> weigh_metrics(const FitConfig& config,
                                     const Swarm& swarm,
                                     const std::vector<bool>& higher_is_better,
                                     std::vector<std::string>& warnings);

// Has the predictors compete for each metric, and fits the winners. `mixture_of`: by run, as
// mixture_of_rows.
void learn_metrics(const FitConfig& config,
                   const Swarm& swarm,
                   std::span<const size_t> mixture_of,
                   std::vector<FitMetric>& metrics);

}  // namespace demix
