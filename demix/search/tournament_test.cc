#include "demix/search/tournament.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/ensemble.h"

namespace demix {
namespace {

Points random_points(size_t rows, size_t columns, int seed) {
  Rng rng(seed);
  Points points(columns);
  for (size_t i = 0; i < rows; ++i) points.add(rng.dirichlet(std::vector<double>(columns, 0.7)));
  return points;
}

std::vector<int> folds_of(size_t rows) {
  Rng rng(9);
  return random_folds(rows, rng);
}

size_t place(const Tournament& tournament, const std::string& name) {
  return static_cast<size_t>(std::find(tournament.names.begin(), tournament.names.end(), name) -
                             tournament.names.begin());
}

TEST(Tournament, ErrorsAreSmallestOfRidgeForAQuadraticOfTheLawForItsOwnAndOfTreesForSteps) {
  const Points x = random_points(160, 3, 8);
  std::vector<double> quadratic, law, step;
  Rng rng(1);
  for (size_t i = 0; i < x.rows(); ++i) {
    const auto p = x.row(i);
    quadratic.push_back(3 * p[0] - p[1] + 2 * p[0] * p[2] + 0.05 * rng.normal());
    law.push_back(1 + std::exp(2 * p[0] - 6 * p[1] + p[2]) + 0.05 * rng.normal());
    step.push_back(((p[0] > 0.25) + (p[1] > 0.25) + (p[2] > 0.6)) % 2);
  }
  const auto smallest = [&](const std::vector<double>& y) {
    const auto result = compete(predictor_names(), {}, x, y, {}, folds_of(x.rows()));
    const auto least = std::min_element(
        result.results.begin(), result.results.end(), [](const auto& a, const auto& b) {
          return a.rmse < b.rmse;
        });
    return result.names[static_cast<size_t>(least - result.results.begin())];
  };
  EXPECT_EQ(smallest(quadratic), "ridge");
  EXPECT_EQ(smallest(law), "log_linear");
  EXPECT_EQ(smallest(step), "lightgbm");
}

TEST(Tournament, TheFavouriteLosesOnlyToWhatIsBetterBeyondDoubt) {
  const Points few = random_points(160, 3, 8), many = random_points(400, 3, 8);
  std::vector<double> smooth, steps;
  Rng rng(2);
  for (size_t i = 0; i < few.rows(); ++i)  // ridge's, but nearly as well others'
    smooth.push_back(few.row(i)[0] - few.row(i)[1] + rng.normal());
  for (size_t i = 0; i < many.rows(); ++i) {
    const auto p = many.row(i);
    steps.push_back(((p[0] > 0.25) + (p[1] > 0.25) + (p[2] > 0.6)) % 2);
  }
  const auto names = predictor_names();
  const auto favourite =
      static_cast<size_t>(std::find(names.begin(), names.end(), kFavourite) - names.begin());
  ASSERT_LT(favourite, names.size());
  const auto doubtful = compete(names, {}, few, smooth, {}, folds_of(few.rows()));
  EXPECT_EQ(doubtful.winner, favourite);
  EXPECT_LT(doubtful.results[place(doubtful, "ridge")].rmse, doubtful.results[favourite].rmse);
  const std::vector<std::string> both = {kFavourite, "lightgbm"};
  const auto sure = compete(both, {}, many, steps, {}, folds_of(many.rows()));
  EXPECT_EQ(sure.names[sure.winner], "lightgbm");
  // Without it the smallest error decides.
  const auto others = compete({"ridge", "lightgbm"}, {}, few, smooth, {}, folds_of(few.rows()));
  EXPECT_EQ(others.names[others.winner], "ridge");
}

TEST(Tournament, CrossValidationErrorsAreOfRowsTheModelDidNotSee) {
  // Ridge with a huge penalty predicts the mean of the other fold: 1 for the twos' fold and 2 for
  // the ones'.
  PredictorConfig config;
  config.ridge.penalty = 1e12;
  const Points x = random_points(4, 2, 10);
  const std::vector<double> y = {1, 2, 1, 2};
  const std::vector<int> folds = {0, 1, 0, 1};
  const auto result = cross_validate("ridge", config, x, y, {}, folds);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(result.forecasts[i].mean, 3 - y[i], 1e-9);
  EXPECT_NEAR(result.mae, 1, 1e-9);
  EXPECT_NEAR(result.rmse, 1, 1e-9);
  EXPECT_NEAR(*result.r2, 1 - 4.0, 1e-8);  // squared error 4, variance 4 · ¼
  // The predictions of a fold differ by rounding only; the correlation is about -1.
  EXPECT_LT(result.spearman.value(), -0.8);
}

TEST(Tournament, CalibrationHoldsNinetyPercentOfNewErrorsThoughTheModelIsOverconfident) {
  // Trees claim the scores' own spread as their error, far too much for a smooth score.
  const Points x = random_points(200, 4, 11), probes = random_points(500, 4, 12);
  Rng rng(13);
  const auto score = [](std::span<const double> p) { return std::sqrt(p[0]) + p[1] * p[2]; };
  std::vector<double> y;
  for (size_t i = 0; i < x.rows(); ++i) y.push_back(score(x.row(i)) + 0.05 * rng.normal());
  const auto result = compete({"lightgbm"}, {}, x, y, {}, folds_of(x.rows()));
  EXPECT_LT(result.results[0].scale, 0.6);
  EXPECT_NEAR(result.results[0].coverage90, 0.9, 0.05);
  const auto fitted = fitted_competitor(result, 0, {}, x, y, {});
  double inside = 0;
  const auto forecasts = fitted->forecast(probes);
  for (size_t i = 0; i < probes.rows(); ++i) {
    const double error = score(probes.row(i)) + 0.05 * rng.normal() - forecasts[i].mean;
    inside += std::abs(error) <= kNinetyPercent * forecasts[i].deviation() ? 1.0 / 500 : 0;
  }
  EXPECT_NEAR(inside, 0.9, 0.06);
}

TEST(Tournament, CoverageIsMeasuredOnErrorsThatTheScaleHasNotSeen) {
  // Each fold's errors are as large as its number, the model claims the same everywhere (trees with
  // a leaf of all rows): the scale of the small folds does not cover the largest one.
  PredictorConfig config;
  config.lightgbm.min_data_in_leaf = 1000;
  const Points x = random_points(40, 2, 14);
  std::vector<double> y;
  std::vector<int> folds;
  for (int i = 0; i < 40; ++i) {
    folds.push_back(i % 4);
    y.push_back((i / 4 % 2 ? 1 : -1) * (1 + 10 * (i % 4 == 3)));
  }
  const auto result = cross_validate("lightgbm", config, x, y, {}, folds);
  EXPECT_LT(result.coverage90, 0.8);
}

TEST(Tournament, CoverageOfAllRowsIsOneExactly) {
  // A sum of n-ths goes beyond it for some n.
  for (int n = 10; n < 60; ++n) {
    const Points x = random_points(n, 2, 14);
    const std::vector<double> y(n, 1);
    std::vector<int> folds;
    for (int i = 0; i < n; ++i) folds.push_back(i % 5);
    EXPECT_EQ(cross_validate("ridge", {}, x, y, {}, folds).coverage90, 1) << n;
  }
}

TEST(Tournament, WithFewRowsOneIsUsedWithoutAComparison) {
  const Points x = random_points(11, 3, 11);
  const std::vector<double> y(11, 1);
  const auto result = compete(competitor_names(), {}, x, y, {}, std::vector<int>(11, 0));
  EXPECT_EQ(result.names[result.winner], "gaussian_process");
  EXPECT_TRUE(result.results.empty());
  const auto fitted = fitted_competitor(result, result.winner, {}, x, y, {});
  EXPECT_EQ(fitted->predict(x)[0], 1);
  EXPECT_EQ(compete({"ridge"}, {}, x, y, {}, std::vector<int>(11, 0)).winner, 0u);
}

// Of each mixture three runs, whose scores nothing about the mixture foretells.
struct Repeated {
  Points mixtures{7};
  std::vector<double> scores;
};
Repeated repeated(size_t mixtures) {
  const Points distinct = random_points(mixtures, 7, 18);
  Rng rng(19);
  Repeated runs;
  for (size_t i = 0; i < mixtures; ++i) {
    const double score = rng.normal();
    for (int k = 0; k < 3; ++k) {
      runs.mixtures.add(distinct.row(i));
      runs.scores.push_back(score + 0.01 * rng.normal());
    }
  }
  return runs;
}

TEST(Tournament, RunsOfOneMixtureAreNoEvidenceAboutOthers) {
  const auto [x, y] = repeated(60);
  Rng rng(20);
  const auto folds = mixture_folds(mixture_of_rows(x), rng);
  const auto result = compete({kFavourite, "lightgbm"}, {}, x, y, {}, folds);
  for (const auto& of_one : result.results) EXPECT_LT(of_one.r2.value(), 0.2);
  const auto evidence = evidence_of(result, 0, y);
  ASSERT_TRUE(evidence);
  EXPECT_FALSE(evidence->shown());
  EXPECT_NEAR(evidence->needed, 1.645 / std::sqrt(59), 1e-12);
  const std::string words = evidence->words("runs");
  EXPECT_NE(words.find(", 0.21 needed with 180 runs of 60 mixtures"), std::string::npos) << words;
}

TEST(Tournament, ManyRunsOfFewMixturesAreNotCompared) {
  const auto [x, y] = repeated(11);
  Rng rng(21);
  const auto folds = mixture_folds(mixture_of_rows(x), rng);
  const auto result = compete(competitor_names(), {}, x, y, {}, folds);
  EXPECT_TRUE(result.results.empty());
  EXPECT_FALSE(evidence_of(result, result.winner, y));
}

TEST(Tournament, WhatIsRankedBetterThanByChanceIsEvidence) {
  const Points x = random_points(60, 3, 22);
  Rng rng(23);
  std::vector<double> y;
  for (size_t i = 0; i < x.rows(); ++i) y.push_back(x.row(i)[0] + 0.3 * rng.normal());
  const auto result = compete({"ridge"}, {}, x, y, {}, folds_of(60));
  EXPECT_TRUE(evidence_of(result, 0, y)->shown());
  EXPECT_EQ(evidence_of(result, 0, y)->spearman, result.results[0].spearman);
  EXPECT_FALSE(evidence_of(result, 0, std::vector<double>(60, 1)));
}

TEST(Tournament, TheMeanIsAsUncertainAsItsErrorAndAsNoisyAsTheScores) {
  const Points x = random_points(400, 12, 24);
  Rng rng(25);
  std::vector<double> y;
  for (size_t i = 0; i < x.rows(); ++i) y.push_back(0.5 + 0.01 * rng.normal());
  auto result = compete({"ridge"}, {}, x, y, {}, folds_of(400));
  const size_t place_of_mean = add_mean(result, x, y, folds_of(400));
  EXPECT_EQ(result.names[place_of_mean], kMean);
  EXPECT_FALSE(result.results[place_of_mean].spearman);
  EXPECT_NEAR(result.results[place_of_mean].coverage90, 0.9, 0.03);
  const auto fitted = fitted_competitor(result, place_of_mean, {}, x, y, {});
  for (const Forecast& forecast : fitted->forecast(random_points(5, 12, 26))) {
    EXPECT_NEAR(forecast.mean, mean(y), 1e-12);
    EXPECT_NEAR(forecast.noise / standard_deviation(y), 1, 0.1);
    EXPECT_NEAR(forecast.uncertainty / forecast.noise, 1 / std::sqrt(400), 1e-9);
  }
}

TEST(Tournament, AMemberThatIsClearlyWorseThanTheMeanHasNoWeight) {
  // Twice as many pairs of shares as rows, hardly penalised, follow the noise.
  const Points x = random_points(40, 12, 27);
  Rng rng(28);
  std::vector<double> y;
  for (size_t i = 0; i < x.rows(); ++i) y.push_back(rng.normal());
  PredictorConfig config;
  config.ridge.penalty = 1e-9;
  const auto result =
      compete({"ridge", "lightgbm", kEnsemble}, config, x, y, {}, folds_of(x.rows()));
  ASSERT_LT(result.results[0].r2.value(), -0.5);
  EXPECT_EQ(result.weights[0], 0);
  EXPECT_NEAR(result.results[2].rmse, result.results[1].rmse, 1e-12);
}

TEST(Tournament, FoldsAreBalanced) {
  Rng rng(12);
  std::vector<int> count(5);
  for (int fold : random_folds(23, rng)) ++count[fold];
  for (int c : count) EXPECT_TRUE(c == 4 || c == 5);
  EXPECT_EQ(random_folds(3, rng).size(), 3u);
}

TEST(Tournament, TheEnsembleIsAsGoodAsItsBestMemberAndThreadsChangeNothing) {
  const Points x = random_points(60, 3, 15);
  Rng rng(16);
  std::vector<double> y;
  for (size_t i = 0; i < x.rows(); ++i) {
    // Smooth and a step, so that two kinds of predictor help.
    y.push_back(2 * std::sqrt(x.row(i)[0]) + (x.row(i)[1] > 0.3) + 0.02 * rng.normal());
  }
  const auto one = compete(competitor_names(), {}, x, y, {}, folds_of(60), 1);
  const auto two = compete(competitor_names(), {}, x, y, {}, folds_of(60), 2);
  ASSERT_EQ(one.weights.size() + 1, one.names.size());
  EXPECT_NEAR(std::accumulate(one.weights.begin(), one.weights.end(), 0.0), 1, 1e-12);
  double best = 1e9;
  for (size_t k = 0; k + 1 < one.names.size(); ++k) best = std::min(best, one.results[k].rmse);
  EXPECT_LT(one.results.back().rmse, 1.1 * best);
  for (size_t k = 0; k < one.names.size(); ++k) {
    EXPECT_EQ(one.results[k].rmse, two.results[k].rmse) << one.names[k];
  }
  const size_t ensemble = place(one, kEnsemble);
  const auto fitted = fitted_competitor(one, ensemble, {}, x, y, {});
  double expected = 0;
  for (size_t k = 0; k < ensemble; ++k) {
    if (one.weights[k] == 0) continue;
    expected += one.weights[k] * fitted_competitor(one, k, {}, x, y, {})->predict(x)[5];
  }
  EXPECT_NEAR(fitted->predict(x)[5], expected, 1e-12);
}

TEST(Ensemble, StackingFindsTheWeightsThatMadeTheScores) {
  Rng rng(17);
  std::vector<std::vector<double>> members(3, std::vector<double>(50));
  std::vector<double> scores(50);
  for (size_t i = 0; i < 50; ++i) {
    for (auto& member : members) member[i] = rng.normal();
    scores[i] = 0.7 * members[0][i] + 0.3 * members[2][i];
  }
  const auto weights = stacking_weights(members, scores);
  EXPECT_NEAR(weights[0], 0.7, 1e-3);
  EXPECT_EQ(weights[1], 0);
  EXPECT_NEAR(weights[2], 0.3, 1e-3);
  // Members that are all alike share.
  for (double w : stacking_weights(std::vector(3, scores), scores)) EXPECT_NEAR(w, 1.0 / 3, 1e-9);
}

TEST(Ensemble, MembersThatDisagreeWidenTheError) {
  const std::vector<Forecast> members = {{1, 0.1, 0.2}, {3, 0.1, 0.2}};
  const Forecast both = combined(members, std::vector<double>{0.5, 0.5});
  EXPECT_NEAR(both.mean, 2, 1e-15);
  EXPECT_NEAR(both.uncertainty, std::sqrt(0.01 + 1), 1e-15);
  EXPECT_NEAR(both.noise, 0.2, 1e-15);
}

}  // namespace
}  // namespace demix
