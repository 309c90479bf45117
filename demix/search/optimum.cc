#include "demix/search/optimum.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"

namespace demix {
namespace {

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

Optimum maximise(const Goal& goal, const FeasibleSet& feasible, const Points& starts, int threads) {
  const size_t n = starts.columns();
  const std::vector<double> lower(n, 0), upper(n, 1);
  const SmoothFunction loss = [&](std::span<const double> x, std::span<double> gradient) {
    const double value = goal.slope(x, gradient);
    for (double& g : gradient) g = -g;
    return -value;
  };
  std::vector<std::vector<double>> ends(starts.rows());
  parallel_for(starts.rows(), threads, [&](size_t i) {
    const auto found = minimise(loss,
                                starts.row(i),
                                {.lower = lower,
                                 .upper = upper,
                                 .constraints = feasible.constraints(),
                                 .at_most_zero = goal.limits,
                                 .evaluations = kEvaluations});
    // The optimiser meets constraints to 1e-8, members do to rounding.
    ends[i] = feasible.project(found.x).value_or(std::vector<double>{});
  });

  Points all(n);
  for (size_t i = 0; i < starts.rows(); ++i) all.add(starts.row(i));
  Optimum optimum;
  for (const auto& end : ends) {
    if (end.empty() || !feasible.contains(end)) continue;
    all.add(end);
    ++optimum.starts;
  }
  const auto values = goal.values(all);
  std::vector<double> of_members(values);
  for (size_t i = 0; i < all.rows(); ++i) {
    if (!feasible.contains(all.row(i))) of_members[i] = -std::numeric_limits<double>::infinity();
  }
  optimum.value = -std::numeric_limits<double>::infinity();
  for (size_t i : best_apart(all, of_members, kPolished, kApart)) {
    if (!std::isfinite(of_members[i])) break;
    std::vector<double> at(all.row(i).begin(), all.row(i).end());
    double value = of_members[i];
    climb_by_moves(goal, feasible, at, value);
    if (value > optimum.value) {
      optimum.value = value;
      optimum.merge_weights = at;
    }
  }
  if (optimum.merge_weights.empty()) throw Error("no start meets the constraints and limits");
  double lowest = optimum.value;
  for (double value : of_members) {
    if (std::isfinite(value)) lowest = std::min(lowest, value);
  }
  for (size_t i = starts.rows(); i < all.rows(); ++i) {
    optimum.agreed += of_members[i] >= optimum.value - 1e-3 * (optimum.value - lowest);
  }
  return optimum;
}

}  // namespace demix
