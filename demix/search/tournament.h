// Predictors compete in cross-validation; the table is kept and shown.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demix/core/progress.h"
#include "demix/search/folds.h"
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

// Leaves out each of the parts once; `fold_of` says which part a row is in. Each of them adds one
// to `progress`.
CrossValidation cross_validate(const std::string& predictor,
                               const PredictorConfig& config,
                               const Points& mixtures,
                               std::span<const double> scores,
                               std::span<const double> standard_errors,
                               std::span<const int> fold_of,
                               Progress* progress = nullptr);

struct Tournament {
  std::vector<std::string> names;
  std::vector<CrossValidation> results;  // by name; empty when there were too few rows
  std::vector<double> weights;           // of the ensemble's members, by name; may be empty
  size_t winner = 0;
  std::vector<size_t> mixture_of;  // by row, see folds.h
};

// The name under which the weighted mean of the others takes part.
inline constexpr const char* kEnsemble = "ensemble";

// predictor_names() and kEnsemble.
std::vector<std::string> competitor_names();
// Throws Error when there is no competitor of that name.
void check_competitor(const std::string& name);

// Compares the predictors `names` on the same folds, on up to `threads` threads (0: all). The
// ensemble, which must stand last, is the mean of the others with stacking_weights; what is said of
// it in each fold has the weights of the other folds. Members whose squared errors are above those
// of the scores' mean by a tenth have no weight.
//
// kFavourite, if it takes part, wins unless others are better beyond doubt: by kBeyondDoubt
// standard errors of the paired difference of squared errors, over the mixtures. Of those the
// smallest squared error wins. Without the favourite the smallest squared error does. With fewer
// mixtures than kFewestForTournament the favourite is used without a comparison, since folds of one
// or two decide by chance.
inline constexpr size_t kFewestForTournament = 12;
inline constexpr const char* kFavourite = "gaussian_process";
inline constexpr double kBeyondDoubt = 2;
Tournament compete(const std::vector<std::string>& names,
                   const PredictorConfig& config,
                   const Points& mixtures,
                   std::span<const double> scores,
                   std::span<const double> standard_errors,
                   std::span<const int> fold_of,
                   int threads = 1,
                   Progress* progress = nullptr);

// Whether a competitor ranks the mixtures that were left out better than by chance: by the rank
// correlation that as many unrelated pairs exceed once in twenty times. Runs of one mixture count
// as one, by their mean.
struct Evidence {
  std::optional<double> spearman;
  double needed = 0;
  size_t runs = 0, mixtures = 0;

  bool shown() const { return spearman && *spearman >= needed; }
  // "cross-validated Spearman 0.05, 0.21 needed with 60 runs"
  std::string words(std::string_view name_of_runs) const;
};
// None where nothing was compared, or all scores are the same.
std::optional<Evidence> evidence_of(const Tournament& tournament,
                                    size_t competitor,
                                    std::span<const double> scores);
// "12 runs", or "12 runs of 3 mixtures"
std::string count_in_words(size_t runs, size_t mixtures, std::string_view name_of_runs);

// Adds the mean of the scores to the competitors, what is used where there is no evidence, and
// returns its place.
inline constexpr const char* kMean = "mean";
size_t add_mean(Tournament& tournament,
                const Points& mixtures,
                std::span<const double> scores,
                std::span<const int> fold_of);

// Competitor `chosen` of a tournament, fitted to all rows, with calibrated errors.
std::unique_ptr<Predictor> fitted_competitor(const Tournament& tournament,
                                             size_t chosen,
                                             const PredictorConfig& config,
                                             const Points& mixtures,
                                             std::span<const double> scores,
                                             std::span<const double> standard_errors);

}  // namespace demix
