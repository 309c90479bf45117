#include "demix/search/optimum.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"

namespace demix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kEvaluations = 150;  // of one climb by gradients
constexpr size_t kPolished = 4;    // of the ends
constexpr double kApart = 0.02;    // L1 distance between the ends that are polished
constexpr double kSteps[] = {0.05, 0.02, 0.01, 0.005, 0.002, 0.001};

// Every member that lies one move of `step` from component to component away.
Points neighbours(const FeasibleSet& feasible, std::span<const double> from, double step) {
  Points points(from.size());
  std::vector<double> moved(from.begin(), from.end());
  for (size_t i = 0; i < from.size(); ++i) {
    const double amount = std::min(step, from[i]);
    if (amount < step / 10) continue;
    for (size_t j = 0; j < from.size(); ++j) {
      if (i == j) continue;
      moved[i] = from[i] - amount;
      moved[j] = from[j] + amount;
      if (feasible.contains(moved)) points.add(moved);
      moved[j] = from[j];
    }
    moved[i] = from[i];
  }
  return points;
}

void climb_by_moves(const Goal& goal,
                    const FeasibleSet& feasible,
                    std::vector<double>& at,
                    double& value) {
  for (const double step : kSteps) {
    for (int moves = 0; moves < 100; ++moves) {
      const Points around = neighbours(feasible, at, step);
      if (around.rows() == 0) break;
      const auto values = goal.values(around);
      const auto best = std::max_element(values.begin(), values.end());
      // Less is rounding, and a plateau has no end.
      if (!(*best > value + 1e-12 * (1 + std::abs(value)))) break;
      value = *best;
      const auto row = around.row(static_cast<size_t>(best - values.begin()));
      at.assign(row.begin(), row.end());
    }
  }
}

// `values` are the goal's, of the ends first; ends that break a limit do not count.
void judge_climbs(std::span<const double> starts,
                  std::span<const double> ends,
                  std::span<const double> values,
                  Optimum& optimum) {
  double lowest = kInfinity, highest = -kInfinity, apart = 0;
  for (double height : starts) lowest = std::min(lowest, height);
  for (size_t i = 0; i < ends.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    lowest = std::min(lowest, ends[i]);
    highest = std::max(highest, ends[i]);
    apart = std::max(apart, std::abs(values[i] - ends[i]));
  }
  for (size_t i = 0; i < ends.size(); ++i) {
    const bool high = ends[i] >= highest - 1e-3 * (highest - lowest) - 1e-9 * std::abs(highest);
    optimum.agreed += std::isfinite(values[i]) && high;
  }
  const double rounding = 1e-6 * std::max(highest - lowest, 1e-6 * std::abs(highest));
  optimum.smooth = std::isfinite(highest) && apart <= rounding;
}

}  // namespace

std::vector<size_t> best_apart(const Points& points,
                               std::span<const double> values,
                               size_t count,
                               double l1) {
  std::vector<size_t> order(values.size()), kept;
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  for (size_t i : order) {
    if (kept.size() == count) break;
    const bool apart = std::all_of(kept.begin(), kept.end(), [&](size_t k) {
      return l1_distance(points.row(i), points.row(k)) >= l1;
    });
    if (apart) kept.push_back(i);
  }
  return kept;
}

Optimum maximise(const Goal& goal,
                 const FeasibleSet& feasible,
                 const Points& starts,
                 int threads,
                 Progress* progress) {
  const size_t n = starts.columns();
  const std::vector<double> lower(n, 0), upper(n, 1);
  const SmoothFunction loss = [&](std::span<const double> x, std::span<double> gradient) {
    const double value = goal.slope(x, gradient);
    for (double& g : gradient) g = -g;
    return -value;
  };
  std::vector<std::vector<double>> ends(starts.rows());
  std::vector<double> start_heights(starts.rows());
  parallel_for(starts.rows(), threads, [&](size_t i) {
    std::vector<double> unused(n);
    start_heights[i] = goal.slope(starts.row(i), unused);
    const auto found = minimise(loss,
                                starts.row(i),
                                {.lower = lower,
                                 .upper = upper,
                                 .constraints = feasible.constraints(),
                                 .at_most_zero = goal.limits,
                                 .evaluations = kEvaluations});
    // The optimiser meets constraints to 1e-8, members do to rounding.
    ends[i] = feasible.project(found.x).value_or(std::vector<double>{});
    if (progress) progress->add(1);
  });

  Optimum optimum;
  Points all(n);
  std::vector<double> heights;  // of the ends, as climbed
  for (const auto& end : ends) {
    if (end.empty() || !feasible.contains(end)) continue;
    all.add(end);
    std::vector<double> unused(n);
    heights.push_back(goal.slope(end, unused));
  }
  optimum.starts = static_cast<int>(heights.size());
  for (size_t i = 0; i < starts.rows(); ++i) all.add(starts.row(i));
  auto values = goal.values(all);
  for (size_t i = 0; i < all.rows(); ++i) {
    if (!feasible.contains(all.row(i))) values[i] = -kInfinity;
  }
  judge_climbs(start_heights, heights, values, optimum);

  optimum.value = -kInfinity;
  // Where climbs saw the whole goal, moves only check the best of them.
  for (size_t i : best_apart(all, values, optimum.smooth ? 1 : kPolished, kApart)) {
    if (!std::isfinite(values[i])) break;
    std::vector<double> at(all.row(i).begin(), all.row(i).end());
    double value = values[i];
    climb_by_moves(goal, feasible, at, value);
    if (value > optimum.value) {
      optimum.value = value;
      optimum.merge_weights = at;
    }
  }
  if (optimum.merge_weights.empty()) throw Error("no start meets the constraints and limits");
  const double unmoved = *std::max_element(values.begin(), values.end());
  optimum.by_moves = optimum.value - unmoved;
  return optimum;
}

}  // namespace demix
