#include "demix/search/decision.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"

namespace demix {
namespace {

// Weights below `least` are of climbs that slid to an edge: zero, where the constraints allow.
std::vector<double> without_crumbs(std::vector<double> weights,
                                   double least,
                                   const FeasibleSet& feasible) {
  std::vector<bool> zero;
  for (double weight : weights) zero.push_back(weight < least);
  const auto rounded = feasible.project(weights, zero);
  return rounded ? *rounded : weights;
}

std::span<const size_t> first(std::span<const size_t> ranking, int64_t count) {
  return ranking.first(std::min(ranking.size(), static_cast<size_t>(count)));
}

}  // namespace

Decision predicted_optimum(const SearchConfig& config,
                           const FeasibleSet& feasible,
                           const Surrogates& surrogates,
                           const Points& candidates,
                           std::span<const double> values) {
  constexpr double kApart = 0.05;  // L1
  Points starts(candidates.columns());
  for (size_t i : best_apart(candidates, values, static_cast<size_t>(config.climbs), kApart)) {
    if (std::isfinite(values[i])) starts.add(candidates.row(i));
  }
  const auto terms = surrogates.terms();
  const Optimum found =
      maximise(config.caution > 0 ? goal_of({terms.begin(), terms.end()}, config.caution)
                                  : surrogates.goal(),
               feasible,
               starts);
  std::string words = fmt::format(
      "the optimum of the predictions{}: {} of {} climbs ended equally high{}",
      config.caution > 0 ? fmt::format(" less {:g} standard deviations", config.caution) : "",
      found.agreed,
      found.starts,
      found.smooth ? "" : ", small moves followed what has no gradients");
  return {without_crumbs(found.merge_weights, config.sampler.min_weight, feasible),
          std::move(words),
          std::move(starts)};
}

Decision average_of_best(const SearchConfig& config,
                         const FeasibleSet& feasible,
                         const Points& candidates,
                         std::span<const double> values,
                         std::span<const size_t> ranking) {
  const auto best = first(ranking, config.average_of);
  std::vector<double> average(candidates.columns());
  for (size_t i : best) {
    for (size_t k = 0; k < average.size(); ++k) average[k] += candidates.row(i)[k];
  }
  const double sum = std::accumulate(average.begin(), average.end(), 0.0);
  for (double& weight : average) weight /= sum;
  // Convex, so the mean of members is a member.
  DEMIX_CHECK(feasible.violation(average) <= 2 * FeasibleSet::kTolerance);
  Points starts(candidates.columns());
  for (size_t i : first(ranking, config.climbs)) starts.add(candidates.row(i));
  return {std::move(average),
          fmt::format(
              "the average of the best {} of {} random mixtures", best.size(), candidates.rows()),
          std::move(starts),
          values[best.back()]};
}

}  // namespace demix
