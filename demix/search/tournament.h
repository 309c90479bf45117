// Predictors compete in cross-validation; the table is kept and shown.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/core/rng.h"
#include "demix/search/points.h"
#include "demix/search/predictor.h"

namespace demix {

// A normal distribution has 90 % of its mass within this many standard deviations.
inline constexpr double kNinetyPercent = 1.6448536269514722;

struct CrossValidation {
  std::vector<Forecast> forecasts;  // of each row by a model that did not see it, not calibrated
  std::optional<double> spearman;
  std::optional<double> r2;  // 1 - squared error / variance; none for constant scores
  double mae = 0, rmse = 0;
  // Times the model's own deviations, ± kNinetyPercent of them hold 90 % of the errors (conformal).
  double scale = 1;
  // Share of the rows inside the calibrated interval, each fold's with the scale of the others.
  double coverage90 = 0;
};

// Leaves out each of the parts once; `fold_of` says which part a row is in.
CrossValidation cross_validate(const std::string& predictor,
                               const PredictorConfig& config,
                               const Points& mixtures,
                               std::span<const double> scores,
                               std::span<const double> standard_errors,
                               std::span<const int> fold_of);

// What the rank correlation of n unrelated pairs exceeds once in twenty times.
double spearman_by_chance(size_t n);

// A balanced random assignment of rows to min(5, rows) parts.
std::vector<int> random_folds(size_t rows, Rng& rng);

struct Tournament {
  std::vector<std::string> names;
  std::vector<CrossValidation> results;  // by name; empty when there were too few rows
  std::vector<double> weights;           // of the ensemble's members, by name; may be empty
  size_t winner = 0;
  std::string reason;  // in words
};

// The name under which the weighted mean of the others takes part.
inline constexpr const char* kEnsemble = "ensemble";

// predictor_names() and kEnsemble.
std::vector<std::string> competitor_names();
// Throws Error when there is no competitor of that name.
void check_competitor(const std::string& name);

// Compares the predictors `names` on the same folds, on up to `threads` threads (0: all). The
// ensemble, which must stand last, is the mean of the others with stacking_weights; what is said of
// it in each fold has the weights of the other folds.
//
// kFavourite, if it takes part, wins unless others are better beyond doubt: by kBeyondDoubt
// standard errors of the paired difference of squared errors, over the rows. Of those the smallest
// squared error wins. Without the favourite the smallest squared error does. With fewer rows than
// kFewestForTournament the favourite is used without a comparison, since folds of one or two rows
// decide by chance.
inline constexpr size_t kFewestForTournament = 12;
inline constexpr const char* kFavourite = "gaussian_process";
inline constexpr double kBeyondDoubt = 2;
Tournament compete(const std::vector<std::string>& names,
                   const PredictorConfig& config,
                   const Points& mixtures,
                   std::span<const double> scores,
                   std::span<const double> standard_errors,
                   std::span<const int> fold_of,
                   int threads = 1);

// Competitor `chosen` of a tournament, fitted to all rows, with calibrated errors.
std::unique_ptr<Predictor> fitted_competitor(const Tournament& tournament,
                                             size_t chosen,
                                             const PredictorConfig& config,
                                             const Points& mixtures,
                                             std::span<const double> scores,
                                             std::span<const double> standard_errors);

}  // namespace demix
