// Predictors compete in cross-validation; the table is kept and shown.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/core/rng.h"
#include "demix/search/points.h"
#include "demix/search/predictor.h"

namespace demix {

struct CrossValidation {
  std::vector<double> predicted;  // of each row by a model that did not see it
  std::optional<double> spearman;
  double mae = 0, rmse = 0;
};

// Leaves out each of `folds` parts once; `fold_of` says which part a row is in.
CrossValidation cross_validate(const std::string& predictor,
                               const PredictorConfig& config,
                               const Points& mixtures,
                               std::span<const double> scores,
                               std::span<const int> fold_of);

// A balanced random assignment of rows to min(5, rows) parts.
std::vector<int> random_folds(size_t rows, Rng& rng);

struct Tournament {
  std::vector<std::string> names;
  std::vector<CrossValidation> results;  // by name; empty when there were too few rows
  size_t winner = 0;                     // the smallest root mean square error
  std::string reason;                    // in words
};

// Compares the predictors `names`, simplest first, on the same folds. With fewer rows than
// kFewestForTournament the first one wins without a comparison, since folds of one or two rows
// decide by chance.
inline constexpr size_t kFewestForTournament = 12;
Tournament compete(const std::vector<std::string>& names,
                   const PredictorConfig& config,
                   const Points& mixtures,
                   std::span<const double> scores,
                   std::span<const int> fold_of);

}  // namespace demix
