// What is made large, put together from predictions. The search and `demix fit` share it.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/search/optimum.h"
#include "demix/search/predictor.h"

namespace demix {

// The percentile rank of a score among many, made smooth: a monotone cubic (Fritsch and Carlson
// 1980) through the scores' quantiles, from 0 to 1. Beyond the best of them it rises on, as steeply
// as within the best tenth: candidates are random draws, and an optimum lies above them all.
class RankScale {
 public:
  explicit RankScale(std::span<const double> scores);
  double operator()(double score) const { return at(score).first; }
  double slope(double score) const { return at(score).second; }

 private:
  std::pair<double, double> at(double score) const;  // value and derivative

  std::vector<double> scores_, ranks_, slopes_;  // at the knots
};

// One predicted score and its part in the goal.
struct GoalTerm {
  std::string name;  // of the metric or domain
  const Predictor* predictor = nullptr;
  double sign = 1;                // -1: lower is better
  double weight = 0;              // of sign · prediction, or of its rank
  std::optional<RankScale> rank;  // counts by its rank; else as it is
  double deviation = 1;           // of the scores: the unit of what a floor may be missed by
  std::optional<double> floor;    // sign · prediction may not fall below
};

// The least that a score may be when it may lose `most_lost` (0.01: 1 %) of `score`.
double floor_below(double score, double most_lost);

// Σ weight · sign · prediction (or its rank), less `caution` standard deviations of it by the
// predictors' uncertainties, taken as independent. Terms keep pointers to their predictors. Only
// values feel the caution and trees; slopes are those of the smooth part.
Goal goal_of(std::vector<GoalTerm> terms, double caution = 0);

// Whether constraints leave nothing to choose.
bool is_one_mixture(const Points& mixtures);
// Whether there are several mixtures, and no term that counts is predicted to differ among them by
// more than a thousandth of its scores' deviation: the best of them would be an arbitrary one.
bool is_flat(std::span<const GoalTerm> terms, const Points& mixtures);

struct BrokenFloor {
  std::string name;
  double floor = 0, missed = 0;  // in the unit of what is predicted
};
// Of the mixture that misses floors least, the one that it misses most, both in deviations. At
// least one term has a floor.
BrokenFloor nearest_broken_floor(std::span<const GoalTerm> terms, const Points& mixtures);
// What to throw where none of these mixtures, which meet the constraints, keeps all floors.
Error no_mixture_keeps_floors(std::span<const GoalTerm> terms, const Points& mixtures);

// At one mixture: -infinity where it breaks a floor.
double goal_at(const Goal& goal, std::span<const double> mixture);
// Weights below `least` are of climbs that slid to an edge: zero, where constraints and floors
// allow.
std::vector<double> without_crumbs(std::vector<double> weights,
                                   double least,
                                   const FeasibleSet& feasible,
                                   const Goal& goal);

// Of the goal at each row, by the predictors' uncertainties, taken as independent.
struct GoalForecast {
  double mean = 0, uncertainty = 0;
};
std::vector<GoalForecast> forecast_goal(std::span<const GoalTerm> terms, const Points& mixtures);

}  // namespace demix
