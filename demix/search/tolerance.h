// How far each weight of a mixture can move before the goal falls by a stated amount.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "demix/search/constraints.h"
#include "demix/search/points.h"
#include "demix/search/prediction_goal.h"

namespace demix {

// Of one component: the others keep their ratios to each other and share what is left.
struct Tolerance {
  double low = 0, high = 0;              // merge weights: in between the goal falls less
  double low_share = 0, high_share = 0;  // the data share of the component's dataset there
  // Whether a constraint (or zero, or one) ends the range before the goal has fallen so far.
  bool low_bound = false, high_bound = false;
  // Whether a floor does: beyond, the goal is -infinity.
  bool low_floor = false, high_floor = false;
};

// `at` with component k at `weight`. The others keep their ratios; where there are no others, they
// share evenly.
std::vector<double> with_weight(std::span<const double> at, size_t k, double weight);

// One per component. `goal` must be finite at `at`, a member of `feasible`. The range ends where
// the goal first falls by more than `fall` in steps of 1/200, found to 1e-4.
std::vector<Tolerance> tolerances(const std::function<std::vector<double>(const Points&)>& goal,
                                  const FeasibleSet& feasible,
                                  std::span<const double> at,
                                  double fall);

// One term of a goal where it was measured: scores, and what was predicted of them by models that
// had not seen them. Both in the metric's own unit and direction.
struct MeasuredTerm {
  std::span<const double> scores;
  std::span<const Forecast> forecasts;
};

// What one measurement of the goal differs by from its prediction: the standard deviation over runs
// of Σ weight · (measured - predicted), both as the goal counts them. Taken of the sum, since
// metrics err together: k copies of one say no more than one. One of `measured` per term, at least
// two runs.
double goal_deviation(std::span<const GoalTerm> terms, std::span<const MeasuredTerm> measured);
// Where nothing was left out: what the predictors expect of one measurement at the one mixture
// `here`, as if all terms erred together.
double expected_goal_deviation(std::span<const GoalTerm> terms, const Points& here);

}  // namespace demix
