#include "demix/search/average.h"

#include <cmath>
#include <numeric>

#include "demix/core/error.h"

namespace demix {

Average average_of_best(const Goal& goal,
                        std::span<const GoalTerm> terms,
                        const FeasibleSet& feasible,
                        const Points& candidates,
                        std::span<const size_t> best) {
  DEMIX_CHECK(!best.empty());
  std::vector<double> mean(candidates.columns());
  for (size_t i : best) {
    for (size_t k = 0; k < mean.size(); ++k) mean[k] += candidates.row(i)[k];
  }
  const double sum = std::accumulate(mean.begin(), mean.end(), 0.0);
  for (double& weight : mean) weight /= sum;
  // Convex, so the mean of members is a member.
  DEMIX_CHECK(feasible.violation(mean) <= 2 * FeasibleSet::kTolerance);

  if (std::isfinite(goal_at(goal, mean))) return {std::move(mean), ""};

  Points here(mean.size());
  here.add(mean);
  const BrokenFloor broken = nearest_broken_floor(terms, here);
  const auto target = candidates.row(best[0]);
  constexpr int kSteps = 200;
  std::vector<double> moved(target.begin(), target.end());
  int steps = 1;
  for (; steps < kSteps; ++steps) {
    const double way = static_cast<double>(steps) / kSteps;
    std::vector<double> between(mean.size());
    for (size_t k = 0; k < mean.size(); ++k) between[k] = (1 - way) * mean[k] + way * target[k];
    if (!std::isfinite(goal_at(goal, between))) continue;
    moved = std::move(between);
    break;
  }
  return {std::move(moved),
          fmt::format("The average of the best mixtures is predicted to miss the floor of {} "
                      "({:.6g}) by {:.3g}: it was moved {:.3g} of the way to the best of them, "
                      "where the floors hold.",
                      broken.name,
                      broken.floor,
                      broken.missed,
                      static_cast<double>(steps) / kSteps)};
}

}  // namespace demix
