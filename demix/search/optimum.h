// The mixture that a goal is largest at, within a feasible set.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "demix/core/minimise.h"
#include "demix/search/constraints.h"
#include "demix/search/points.h"

namespace demix {

// What is made large over merge weights.
struct Goal {
  // The goal of every row; -infinity where a row breaks a limit that is not linear.
  std::function<std::vector<double>(const Points& merge_weights)> values;
  // The part of the goal that has derivatives, with them; all of it where the predictors are
  // smooth.
  SmoothFunction slope;
  // At most zero where the limits hold, with derivatives; may be empty.
  std::vector<SmoothFunction> limits;
};

struct Optimum {
  std::vector<double> merge_weights;
  double value = 0;
  int starts = 0;  // climbs by gradients that were made
  int agreed = 0;  // of them ended within a thousandth of the range of values
};

// Climbs from every row of `starts`, by sequential quadratic programming along the derivatives, and
// from the best ends by moving ever smaller shares from one component to another, which needs no
// derivatives. Members of `feasible` only; at least one start must be a member with a finite goal.
// Deterministic; `threads` 0: all.
Optimum maximise(const Goal& goal,
                 const FeasibleSet& feasible,
                 const Points& starts,
                 int threads = 0);

// Up to `count` rows with the largest values, best first, none as close as `l1` to a better one.
std::vector<size_t> best_apart(const Points& points,
                               std::span<const double> values,
                               size_t count,
                               double l1);

}  // namespace demix
