#include "demix/search/tolerance.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

constexpr double kStep = 0.005;
constexpr double kPrecision = 1e-4;

}  // namespace

std::vector<double> with_weight(std::span<const double> at, size_t k, double weight) {
  std::vector<double> moved(at.begin(), at.end());
  const double others = 1 - at[k];
  for (size_t i = 0; i < moved.size(); ++i) {
    if (i == k) continue;
    moved[i] = others > 1e-12 ? at[i] * (1 - weight) / others
                              : (1 - weight) / static_cast<double>(moved.size() - 1);
  }
  moved[k] = weight;
  return moved;
}

std::vector<Tolerance> tolerances(const std::function<std::vector<double>(const Points&)>& goal,
                                  const FeasibleSet& feasible,
                                  std::span<const double> at,
                                  double fall) {
  const size_t n = at.size();
  Points start(n);
  start.add(at);
  const double least = goal(start)[0] - fall;
  DEMIX_CHECK(std::isfinite(least));
  const Composition& composition = feasible.composition();

  std::vector<Tolerance> result;
  for (size_t k = 0; k < n; ++k) {
    // Members on the way from `at` to where component k has weight `end`, whose goal is high
    // enough.
    const auto reach = [&](double end, bool& bound, bool& floor) {
      const double sign = end > at[k] ? 1 : -1;
      const auto member = [&](double weight) {
        return feasible.violation(with_weight(at, k, weight)) <= 10 * FeasibleSet::kTolerance;
      };
      const auto goal_at = [&](double weight) {
        Points point(n);
        point.add(with_weight(at, k, weight));
        return goal(point)[0];
      };
      const auto between = [&](double inside, double outside, const auto& holds) {
        while (std::abs(outside - inside) > kPrecision) {
          const double middle = 0.5 * (inside + outside);
          (holds(middle) ? inside : outside) = middle;
        }
        return inside;
      };
      // The set is convex, so membership ends once.
      const double last = member(end) ? end : between(at[k], end, member);
      Points way(n);
      std::vector<double> weights;
      for (double weight = at[k] + sign * kStep; sign * (last - weight) > 0; weight += sign * kStep)
        weights.push_back(weight);
      weights.push_back(last);
      for (double weight : weights) way.add(with_weight(at, k, weight));
      const auto values = goal(way);
      for (size_t i = 0; i < weights.size(); ++i) {
        if (values[i] >= least) continue;
        double beyond = values[i];
        const double inside =
            between(i == 0 ? at[k] : weights[i - 1], weights[i], [&](double weight) {
              const double value = goal_at(weight);
              if (value < least) beyond = value;
              return value >= least;
            });
        bound = false;
        floor = !std::isfinite(beyond);
        return inside;
      }
      bound = true;
      return last;
    };
    Tolerance tolerance{.low = at[k], .high = at[k], .low_bound = true, .high_bound = true};
    if (at[k] > 0) tolerance.low = reach(0, tolerance.low_bound, tolerance.low_floor);
    if (at[k] < 1) tolerance.high = reach(1, tolerance.high_bound, tolerance.high_floor);
    tolerance.low_share = composition.data_shares(with_weight(at, k, tolerance.low))[k];
    tolerance.high_share = composition.data_shares(with_weight(at, k, tolerance.high))[k];
    result.push_back(tolerance);
  }
  return result;
}

double goal_deviation(std::span<const GoalTerm> terms, std::span<const MeasuredTerm> measured) {
  DEMIX_CHECK(!terms.empty() && measured.size() == terms.size());
  std::vector<double> errors(measured[0].scores.size());
  for (size_t k = 0; k < terms.size(); ++k) {
    const GoalTerm& term = terms[k];
    if (term.weight == 0) continue;
    const auto counted = [&](double value) {
      return term.rank ? (*term.rank)(term.sign * value) : term.sign * value;
    };
    DEMIX_CHECK(measured[k].scores.size() == errors.size() &&
                measured[k].forecasts.size() == errors.size());
    for (size_t i = 0; i < errors.size(); ++i)
      errors[i] +=
          term.weight * (counted(measured[k].scores[i]) - counted(measured[k].forecasts[i].mean));
  }
  return standard_deviation(errors);
}

double expected_goal_deviation(std::span<const GoalTerm> terms, const Points& here) {
  double sum = 0;
  for (const GoalTerm& term : terms) {
    if (term.weight == 0) continue;
    const Forecast forecast = term.predictor->forecast(here)[0];
    const double slope = term.rank ? term.rank->slope(term.sign * forecast.mean) : 1;
    sum += term.weight * slope * forecast.deviation();
  }
  return sum;
}

}  // namespace demix
