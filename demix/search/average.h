// The paper's choice of a mixture: the average of the best of many random ones. The search and
// `demix fit` share it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "demix/search/constraints.h"
#include "demix/search/points.h"
#include "demix/search/prediction_goal.h"

namespace demix {

struct Average {
  std::vector<double> mixture;
  std::string warning;  // a sentence, where it had to be moved
};

// The mean of the rows `best` of `candidates`, best first: members of `feasible` with finite goals.
// What is averaged keeps floors, the mean may not: it is then moved towards the best of them until
// it does.
Average average_of_best(const Goal& goal,
                        std::span<const GoalTerm> terms,
                        const FeasibleSet& feasible,
                        const Points& candidates,
                        std::span<const size_t> best);

}  // namespace demix
