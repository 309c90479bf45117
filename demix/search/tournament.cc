#include "demix/search/tournament.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"
#include "demix/core/ranks.h"
#include "demix/search/ensemble.h"
#include "demix/search/mean_of_scores.h"

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

// Members that are no worse than the mean of the scores that they learned from, by a tenth of its
// squared errors; the best one where none is.
std::vector<size_t> worth_stacking(std::span<const CrossValidation> members,
                                   std::span<const double> scores,
                                   std::span<const int> fold_of) {
  constexpr double kClearlyWorse = 1.1;
  double squares_of_mean = 0;
  for (int fold = 0; fold < parts(fold_of); ++fold) {
    std::vector<double> seen;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (fold_of[i] != fold) seen.push_back(scores[i]);
    }
    if (seen.empty()) continue;
    const double centre = mean(seen);
    for (size_t i = 0; i < scores.size(); ++i) {
      if (fold_of[i] == fold) squares_of_mean += (scores[i] - centre) * (scores[i] - centre);
    }
  }
  const double most = kClearlyWorse * squares_of_mean / static_cast<double>(scores.size());
  std::vector<size_t> kept;
  size_t best = 0;
  for (size_t k = 0; k < members.size(); ++k) {
    if (members[k].rmse * members[k].rmse <= most) kept.push_back(k);
    if (members[k].rmse < members[best].rmse) best = k;
  }
  return kept.empty() ? std::vector<size_t>{best} : kept;
}

// The ensemble's forecasts, and its weights from all rows.
std::vector<Forecast> stacked(std::span<const CrossValidation> members,
                              std::span<const double> scores,
                              std::span<const int> fold_of,
                              std::vector<double>& weights) {
  const auto kept = worth_stacking(members, scores, fold_of);
  std::vector<Forecast> forecasts(scores.size());
  std::vector<double> kept_weights;
  for (int fold = -1; fold < parts(fold_of); ++fold) {
    std::vector<std::vector<double>> predictions(kept.size());
    std::vector<double> seen;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (fold_of[i] == fold) continue;
      seen.push_back(scores[i]);
      for (size_t k = 0; k < kept.size(); ++k) {
        predictions[k].push_back(members[kept[k]].forecasts[i].mean);
      }
    }
    kept_weights = seen.empty()
                       ? std::vector<double>(kept.size(), 1.0 / static_cast<double>(kept.size()))
                       : stacking_weights(predictions, seen);
    if (fold == -1) {  // all rows
      weights.assign(members.size(), 0);
      for (size_t k = 0; k < kept.size(); ++k) weights[kept[k]] = kept_weights[k];
    }
    for (size_t i = 0; i < scores.size(); ++i) {
      if (fold_of[i] != fold) continue;
      std::vector<Forecast> at_row;
      for (const size_t k : kept) {
        Forecast forecast = members[k].forecasts[i];
        forecast.uncertainty *= members[k].scale;
        forecast.noise *= members[k].scale;
        at_row.push_back(forecast);
      }
      forecasts[i] = combined(at_row, kept_weights);
    }
  }
  return forecasts;
}

// By the paired differences of squared errors.
bool is_better_beyond_doubt(const CrossValidation& one,
                            const CrossValidation& other,
                            std::span<const double> scores,
                            std::span<const size_t> mixture_of) {
  std::vector<double> gains;
  for (size_t i = 0; i < scores.size(); ++i) {
    const double of_one = one.forecasts[i].mean - scores[i];
    const double of_other = other.forecasts[i].mean - scores[i];
    gains.push_back(of_other * of_other - of_one * of_one);
  }
  return mean(gains) > kBeyondDoubt * error_of_mean(gains, mixture_of);
}

std::unique_ptr<Predictor> make_competitor(const std::string& name, const PredictorConfig& config) {
  return name == kMean ? make_mean_of_scores() : make_predictor(name, config);
}

// By mixture, the mean of the values of its runs.
std::vector<double> means_of_mixtures(std::span<const double> values,
                                      std::span<const size_t> mixture_of) {
  std::vector<double> means(count_mixtures(mixture_of)), runs(means.size());
  for (size_t i = 0; i < values.size(); ++i) {
    means[mixture_of[i]] += values[i];
    ++runs[mixture_of[i]];
  }
  for (size_t k = 0; k < means.size(); ++k) means[k] /= runs[k];
  return means;
}

}  // namespace

CrossValidation cross_validate(const std::string& predictor,
                               const PredictorConfig& config,
                               const Points& mixtures,
                               std::span<const double> scores,
                               std::span<const double> standard_errors,
                               std::span<const int> fold_of,
                               Progress* progress) {
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
    const auto model = make_competitor(predictor, config);
    model->fit(seen, seen_scores, seen_errors);
    const auto predicted = model->forecast(left_out);
    for (size_t k = 0; k < left_out_rows.size(); ++k) forecasts[left_out_rows[k]] = predicted[k];
    if (progress) progress->add(1);
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
                   int threads,
                   Progress* progress) {
  DEMIX_CHECK(!names.empty());
  Tournament tournament{.names = names, .mixture_of = mixture_of_rows(mixtures)};
  const auto found = std::find(names.begin(), names.end(), kFavourite);
  const bool has_favourite = found != names.end();
  const size_t favourite = has_favourite ? static_cast<size_t>(found - names.begin()) : 0;
  if (count_mixtures(tournament.mixture_of) < kFewestForTournament) {
    tournament.winner = favourite;
    return tournament;
  }
  const auto ensemble =
      static_cast<size_t>(std::find(names.begin(), names.end(), kEnsemble) - names.begin());
  DEMIX_CHECK(ensemble + 1 >= names.size());
  auto& results = tournament.results;
  results.resize(ensemble);
  parallel_for(ensemble, threads, [&](size_t k) {
    results[k] =
        cross_validate(names[k], config, mixtures, scores, standard_errors, fold_of, progress);
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
        (!has_favourite ||
         is_better_beyond_doubt(results[k], results[favourite], scores, tournament.mixture_of)))
      tournament.winner = k;
  }
  return tournament;
}

std::string count_in_words(size_t runs, size_t mixtures, std::string_view name_of_runs) {
  if (runs == mixtures) return fmt::format("{} {}", runs, name_of_runs);
  return fmt::format("{} {} of {}",
                     runs,
                     name_of_runs,
                     mixtures == 1 ? "one mixture" : fmt::format("{} mixtures", mixtures));
}

std::string Evidence::words(std::string_view name_of_runs) const {
  return fmt::format("cross-validated Spearman {}, {:.2f} needed with {}",
                     spearman ? fmt::format("{:.2f}", *spearman) : "undefined",
                     needed,
                     count_in_words(runs, mixtures, name_of_runs));
}

std::optional<Evidence> evidence_of(const Tournament& tournament,
                                    size_t competitor,
                                    std::span<const double> scores) {
  const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
  if (tournament.results.empty() || *least == *most) return std::nullopt;
  std::vector<double> predicted;
  for (const Forecast& forecast : tournament.results[competitor].forecasts)
    predicted.push_back(forecast.mean);
  const size_t mixtures = count_mixtures(tournament.mixture_of);
  return Evidence{.spearman = spearman(means_of_mixtures(predicted, tournament.mixture_of),
                                       means_of_mixtures(scores, tournament.mixture_of)),
                  .needed = 1.645 / std::sqrt(static_cast<double>(mixtures) - 1),
                  .runs = scores.size(),
                  .mixtures = mixtures};
}

size_t add_mean(Tournament& tournament,
                const Points& mixtures,
                std::span<const double> scores,
                std::span<const int> fold_of) {
  tournament.names.emplace_back(kMean);
  tournament.results.push_back(cross_validate(kMean, {}, mixtures, scores, {}, fold_of));
  tournament.results.back().spearman.reset();  // of means of the parts, which ranks nothing
  return tournament.names.size() - 1;
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
    auto predictor = make_competitor(tournament.names[k], config);
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
