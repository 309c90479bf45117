// What can be had of one domain without losing of another.
#pragma once

#include <span>
#include <vector>

#include "demix/search/prediction_goal.h"

namespace demix {

// Rows that no other row equals or exceeds everywhere while exceeding it somewhere, in their order;
// of equal rows the first. scores[d][i] is row i's score on domain d, higher is better.
std::vector<size_t> not_dominated(std::span<const std::vector<double>> scores);

struct FrontPoint {
  std::vector<double> merge_weights;
  std::vector<double> scores, uncertainties;  // sign · prediction, by domain
};

// At most `count` mixtures on the front of the terms' predictions: the optima of weighted sums of
// the scores in their deviations, one for each domain alone, one for all alike, the others with
// weights between; those that another dominates are left out. From the worst to the best in the
// first domain. Floors hold, those of `further_floors` too. `starts` are where climbs begin; one
// must be a member that keeps the floors.
std::vector<FrontPoint> pareto_front(std::span<const GoalTerm> domains,
                                     std::span<const GoalTerm> further_floors,
                                     const FeasibleSet& feasible,
                                     const Points& starts,
                                     size_t count,
                                     int threads = 0);

}  // namespace demix
