// The mixture that a goal is largest at, within a feasible set.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "demix/core/minimise.h"
#include "demix/core/progress.h"
#include "demix/search/constraints.h"
#include "demix/search/points.h"

namespace demix {

// What is made large over merge weights.
struct Goal {
  // The goal of every row; -infinity where a row breaks a limit that is not linear.
  std::function<std::vector<double>(const Points& merge_weights)> values;
  // The goal with its derivatives, or what stands in for it where it has none: trees are stairs,
  // whose smooth companions are climbed instead.
  SmoothFunction slope;
  // At most zero where the limits hold, with derivatives; may be empty.
  std::vector<SmoothFunction> limits;
};

struct Optimum {
  std::vector<double> merge_weights;
  double value = 0;
  // Climbs by gradients, and how many of them ended as high as the highest of them, to a thousandth
  // of the range of starts and ends. Both heights are those of `slope`, which is what they climb:
  // few agreeing means many hills, and that more starts might find a higher one.
  int starts = 0, agreed = 0;
  // Whether `slope` is the whole goal. If not, the optimum is only as good as small moves find it
  // from the best ends.
  bool smooth = true;
  double by_moves = 0;  // what the moves added to the goal of the best end
};

// Climbs from every row of `starts`, by sequential quadratic programming along the derivatives, and
// from the best ends by moving ever smaller shares from one component to another, which needs no
// derivatives. Members of `feasible` only; at least one start must be a member with a finite goal.
// Deterministic; `threads` 0: all. Each climb adds one to `progress`.
Optimum maximise(const Goal& goal,
                 const FeasibleSet& feasible,
                 const Points& starts,
                 int threads = 0,
                 Progress* progress = nullptr);

// Up to `count` rows with the largest values, best first, none as close as `l1` to a better one.
std::vector<size_t> best_apart(const Points& points,
                               std::span<const double> values,
                               size_t count,
                               double l1);

}  // namespace demix
