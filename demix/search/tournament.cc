#include "demix/search/tournament.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"
#include "demix/core/ranks.h"
#include "demix/search/ensemble.h"

namespace demix {
namespace {

int parts(std::span<const int> fold_of) {
  return *std::max_element(fold_of.begin(), fold_of.end()) + 1;
}

// The scale that holds 90 % of errors like those of the rows outside `fold`.
double conformal_scale(std::span<const Forecast> forecasts,
                       std::span<const double> scores,
                       std::span<const int> fold_of,
                       int fold) {
  std::vector<double> ratios;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (fold_of[i] == fold) continue;
    const double error = std::abs(forecasts[i].mean - scores[i]);
    ratios.push_back(error == 0 ? 0 : error / std::max(forecasts[i].deviation(), 1e-300));
  }
  if (ratios.empty()) return 1;
  std::sort(ratios.begin(), ratios.end());
  const auto rank = static_cast<size_t>(std::ceil(0.9 * static_cast<double>(ratios.size() + 1)));
  return ratios[std::min(rank, ratios.size()) - 1] / kNinetyPercent;
}

// Errors, correlation and calibration of forecasts that are complete.
CrossValidation judged(std::vector<Forecast> forecasts,
                       std::span<const double> scores,
                       std::span<const int> fold_of) {
  CrossValidation result{.forecasts = std::move(forecasts)};
  const auto n = static_cast<double>(scores.size());
  std::vector<double> means;
  double absolute = 0, squares = 0, variance = 0;
  const double centre = mean(scores);
  for (size_t i = 0; i < scores.size(); ++i) {
    means.push_back(result.forecasts[i].mean);
    const double error = means[i] - scores[i];
    absolute += std::abs(error);
    squares += error * error;
    variance += (scores[i] - centre) * (scores[i] - centre);
  }
  result.spearman = spearman(means, scores);
  if (variance > 0) result.r2 = 1 - squares / variance;
  result.mae = absolute / n;
  result.rmse = std::sqrt(squares / n);
  result.scale = conformal_scale(result.forecasts, scores, fold_of, -1);
  double inside = 0;  // counted, since a sum of n-ths may exceed one
  for (int fold = 0; fold < parts(fold_of); ++fold) {
    const double scale = conformal_scale(result.forecasts, scores, fold_of, fold);
    for (size_t i = 0; i < scores.size(); ++i) {
      if (fold_of[i] != fold) continue;
      const Forecast& forecast = result.forecasts[i];
      const double reach = kNinetyPercent * scale * forecast.deviation();
      inside += std::abs(forecast.mean - scores[i]) <= reach;
    }
  }
  result.coverage90 = inside / n;
  return result;
}

// The ensemble's forecasts, and its weights from all rows.
std::vector<Forecast> stacked(std::span<const CrossValidation> members,
                              std::span<const double> scores,
                              std::span<const int> fold_of,
                              std::vector<double>& weights) {
  std::vector<Forecast> forecasts(scores.size());
  for (int fold = -1; fold < parts(fold_of); ++fold) {
    std::vector<std::vector<double>> predictions(members.size());
    std::vector<double> seen;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (fold_of[i] == fold) continue;
      seen.push_back(scores[i]);
      for (size_t k = 0; k < members.size(); ++k) {
        predictions[k].push_back(members[k].forecasts[i].mean);
      }
    }
    weights = seen.empty() ? std::vector<double>(members.size(), 1.0 / members.size())
                           : stacking_weights(predictions, seen);
    for (size_t i = 0; i < scores.size(); ++i) {
      if (fold_of[i] != fold) continue;
      std::vector<Forecast> at_row;
      for (const auto& member : members) {
        Forecast forecast = member.forecasts[i];
        forecast.uncertainty *= member.scale;
        forecast.noise *= member.scale;
        at_row.push_back(forecast);
      }
      forecasts[i] = combined(at_row, weights);
    }
  }
  std::vector<std::vector<double>> predictions(members.size());
  for (size_t k = 0; k < members.size(); ++k) {
    for (const Forecast& forecast : members[k].forecasts) predictions[k].push_back(forecast.mean);
  }
  weights = stacking_weights(predictions, scores);
  return forecasts;
}

// By the paired differences of squared errors.
bool is_better_beyond_doubt(const CrossValidation& one,
                            const CrossValidation& other,
                            std::span<const double> scores) {
  std::vector<double> gains;
  for (size_t i = 0; i < scores.size(); ++i) {
    const double of_one = one.forecasts[i].mean - scores[i];
    const double of_other = other.forecasts[i].mean - scores[i];
    gains.push_back(of_other * of_other - of_one * of_one);
  }
  const double error = standard_deviation(gains) / std::sqrt(static_cast<double>(gains.size()));
  return mean(gains) > kBeyondDoubt * error;
}

}  // namespace

double spearman_by_chance(size_t n) { return 1.645 / std::sqrt(static_cast<double>(n) - 1); }

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
                               std::span<const double> standard_errors,
                               std::span<const int> fold_of) {
  const size_t rows = mixtures.rows();
  DEMIX_CHECK(rows > 1 && scores.size() == rows && fold_of.size() == rows);
  std::vector<Forecast> forecasts(rows);
  for (int fold = 0; fold < parts(fold_of); ++fold) {
    Points seen(mixtures.columns()), left_out(mixtures.columns());
    std::vector<double> seen_scores, seen_errors;
    std::vector<size_t> left_out_rows;
    for (size_t i = 0; i < rows; ++i) {
      if (fold_of[i] == fold) {
        left_out.add(mixtures.row(i));
        left_out_rows.push_back(i);
        continue;
      }
      seen.add(mixtures.row(i));
      seen_scores.push_back(scores[i]);
      if (!standard_errors.empty()) seen_errors.push_back(standard_errors[i]);
    }
    const auto model = make_predictor(predictor, config);
    model->fit(seen, seen_scores, seen_errors);
    const auto predicted = model->forecast(left_out);
    for (size_t k = 0; k < left_out_rows.size(); ++k) forecasts[left_out_rows[k]] = predicted[k];
  }
  return judged(std::move(forecasts), scores, fold_of);
}

std::vector<std::string> competitor_names() {
  auto names = predictor_names();
  names.push_back(kEnsemble);
  return names;
}

void check_competitor(const std::string& name) {
  const auto names = competitor_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  throw Error("predictor: there is no '{}'; {}", name, suggestion(name, names, "there are auto,"));
}

Tournament compete(const std::vector<std::string>& names,
                   const PredictorConfig& config,
                   const Points& mixtures,
                   std::span<const double> scores,
                   std::span<const double> standard_errors,
                   std::span<const int> fold_of,
                   int threads) {
  DEMIX_CHECK(!names.empty());
  Tournament tournament{.names = names};
  const auto found = std::find(names.begin(), names.end(), kFavourite);
  const bool has_favourite = found != names.end();
  const size_t favourite = has_favourite ? static_cast<size_t>(found - names.begin()) : 0;
  if (mixtures.rows() < kFewestForTournament) {
    tournament.winner = favourite;
    tournament.reason =
        fmt::format("{}, since {} proxies are too few for cross-validation (at least {})",
                    names[tournament.winner],
                    mixtures.rows(),
                    kFewestForTournament);
    return tournament;
  }
  const auto ensemble =
      static_cast<size_t>(std::find(names.begin(), names.end(), kEnsemble) - names.begin());
  DEMIX_CHECK(ensemble + 1 >= names.size());
  auto& results = tournament.results;
  results.resize(ensemble);
  parallel_for(ensemble, threads, [&](size_t k) {
    results[k] = cross_validate(names[k], config, mixtures, scores, standard_errors, fold_of);
  });
  if (ensemble < names.size()) {
    DEMIX_CHECK(ensemble > 0);
    auto forecasts = stacked(results, scores, fold_of, tournament.weights);
    results.push_back(judged(std::move(forecasts), scores, fold_of));
  }
  // The squared error decides, not the rank correlation: pooled over folds that one punishes
  // predictors that fall back to their fold's mean.
  tournament.winner = favourite;
  for (size_t k = 0; k < names.size(); ++k) {
    if (results[k].rmse < results[tournament.winner].rmse &&
        (!has_favourite || is_better_beyond_doubt(results[k], results[favourite], scores)))
      tournament.winner = k;
  }
  tournament.reason = fmt::format("{} (cross-validation error {:.3g}",
                                  names[tournament.winner],
                                  results[tournament.winner].rmse);
  for (size_t k = 0; k < names.size(); ++k) {
    if (k == tournament.winner) continue;
    tournament.reason += fmt::format(", {} {:.3g}", names[k], results[k].rmse);
  }
  tournament.reason += ")";
  return tournament;
}

std::unique_ptr<Predictor> fitted_competitor(const Tournament& tournament,
                                             size_t chosen,
                                             const PredictorConfig& config,
                                             const Points& mixtures,
                                             std::span<const double> scores,
                                             std::span<const double> standard_errors) {
  const auto scale_of = [&](size_t k) {
    return tournament.results.empty() ? 1.0 : tournament.results[k].scale;
  };
  const auto fitted = [&](size_t k) {
    auto predictor = make_predictor(tournament.names[k], config);
    predictor->fit(mixtures, scores, standard_errors);
    return calibrated(std::move(predictor), scale_of(k));
  };
  if (tournament.names[chosen] != kEnsemble) return fitted(chosen);
  std::vector<std::unique_ptr<Predictor>> members;
  std::vector<double> weights;
  for (size_t k = 0; k < chosen; ++k) {
    // Without a comparison all count alike.
    const double weight =
        tournament.weights.empty() ? 1.0 / static_cast<double>(chosen) : tournament.weights[k];
    if (weight == 0) continue;
    members.push_back(fitted(k));
    weights.push_back(weight);
  }
  return calibrated(ensemble_of(std::move(members), std::move(weights)), scale_of(chosen));
}

}  // namespace demix
