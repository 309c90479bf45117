#include "demix/search/tournament.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {

std::vector<int> random_folds(size_t rows, Rng& rng) {
  const size_t folds = std::min<size_t>(5, rows);
  std::vector<int> fold_of(rows);
  for (size_t i = 0; i < rows; ++i) fold_of[i] = static_cast<int>(i % folds);
  rng.shuffle(std::span<int>(fold_of));
  return fold_of;
}

CrossValidation cross_validate(const std::string& predictor,
                               const PredictorConfig& config,
                               const Points& mixtures,
                               std::span<const double> scores,
                               std::span<const int> fold_of) {
  const size_t rows = mixtures.rows();
  DEMIX_CHECK(rows > 1 && scores.size() == rows && fold_of.size() == rows);
  CrossValidation result;
  result.predicted.resize(rows);
  const int folds = *std::max_element(fold_of.begin(), fold_of.end()) + 1;
  for (int fold = 0; fold < folds; ++fold) {
    Points seen(mixtures.columns()), left_out(mixtures.columns());
    std::vector<double> seen_scores;
    std::vector<size_t> left_out_rows;
    for (size_t i = 0; i < rows; ++i) {
      if (fold_of[i] == fold) {
        left_out.add(mixtures.row(i));
        left_out_rows.push_back(i);
      } else {
        seen.add(mixtures.row(i));
        seen_scores.push_back(scores[i]);
      }
    }
    const auto model = make_predictor(predictor, config);
    model->fit(seen, seen_scores);
    const auto predicted = model->predict(left_out);
    for (size_t k = 0; k < left_out_rows.size(); ++k)
      result.predicted[left_out_rows[k]] = predicted[k];
  }
  double absolute = 0, squares = 0;
  for (size_t i = 0; i < rows; ++i) {
    const double error = result.predicted[i] - scores[i];
    absolute += std::abs(error);
    squares += error * error;
  }
  result.spearman = spearman(result.predicted, scores);
  result.mae = absolute / static_cast<double>(rows);
  result.rmse = std::sqrt(squares / static_cast<double>(rows));
  return result;
}

Tournament compete(const std::vector<std::string>& names,
                   const PredictorConfig& config,
                   const Points& mixtures,
                   std::span<const double> scores,
                   std::span<const int> fold_of) {
  DEMIX_CHECK(!names.empty());
  Tournament tournament{.names = names, .results = {}, .winner = 0, .reason = {}};
  if (mixtures.rows() < kFewestForTournament) {
    tournament.reason =
        fmt::format("{}, since {} proxies are too few for cross-validation (at least {})",
                    names[0],
                    mixtures.rows(),
                    kFewestForTournament);
    return tournament;
  }
  // The squared error decides, not the rank correlation: pooled over folds that one punishes
  // predictors that fall back to their fold's mean.
  for (size_t k = 0; k < names.size(); ++k) {
    tournament.results.push_back(cross_validate(names[k], config, mixtures, scores, fold_of));
    if (tournament.results[k].rmse < tournament.results[tournament.winner].rmse)
      tournament.winner = k;
  }
  tournament.reason = fmt::format("{} (cross-validation error {:.3g}",
                                  names[tournament.winner],
                                  tournament.results[tournament.winner].rmse);
  for (size_t k = 0; k < names.size(); ++k) {
    if (k == tournament.winner) continue;
    tournament.reason += fmt::format(", {} {:.3g}", names[k], tournament.results[k].rmse);
  }
  tournament.reason += ")";
  return tournament;
}

}  // namespace demix
