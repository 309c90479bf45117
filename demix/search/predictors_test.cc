#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/predictor.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

struct Example {
  Points mixtures, probes;
  std::vector<double> scores, ridge, lightgbm;
};

Points as_points(const nlohmann::json& rows) {
  Points points(rows[0].size());
  for (const auto& row : rows) points.add(row.get<std::vector<double>>());
  return points;
}

const Example& example() {
  static const Example loaded = [] {
    std::ifstream file(DEMIX_SOURCE_DIR "/tests/data/search/predictors.json");
    const auto json = nlohmann::json::parse(file);
    return Example{as_points(json["mixtures"]),
                   as_points(json["probes"]),
                   json["scores"].get<std::vector<double>>(),
                   json["ridge"].get<std::vector<double>>(),
                   json["lightgbm"].get<std::vector<double>>()};
  }();
  return loaded;
}

Points random_points(size_t rows, size_t columns, int seed) {
  Rng rng(seed);
  Points points(columns);
  for (size_t i = 0; i < rows; ++i) points.add(rng.dirichlet(std::vector<double>(columns, 0.7)));
  return points;
}

TEST(Ridge, EqualsTheNormalEquationsSolvedByNumpy) {
  const auto predictor = make_predictor("ridge");
  predictor->fit(example().mixtures, example().scores);
  const auto predicted = predictor->predict(example().probes);
  for (size_t i = 0; i < predicted.size(); ++i)
    EXPECT_NEAR(predicted[i], example().ridge[i], 1e-12);
}

TEST(Ridge, AHandCalculationWithTwoRowsHolds) {
  // x = ±1/2 around the mean in each column (opposite signs), y = ±1: X'X + λ = [[1,-1],[-1,1]]/2 +
  // λI with λ = 1/2, X'y = (1, -1); w = (2/3, -2/3).
  Points x(2);
  x.add(std::vector<double>{1, 0});
  x.add(std::vector<double>{0, 1});
  const auto predictor = make_predictor("ridge");
  predictor->fit(x, std::vector<double>{4, 2});
  const auto predicted = predictor->predict(x);
  EXPECT_NEAR(predicted[0], 3 + 2.0 / 3, 1e-12);
  EXPECT_NEAR(predicted[1], 3 - 2.0 / 3, 1e-12);
}

TEST(Ridge, OneRowPredictsItsScoreEverywhere) {
  Points x(2);
  x.add(std::vector<double>{0.4, 0.6});
  const auto predictor = make_predictor("ridge");
  predictor->fit(x, std::vector<double>{0.7});
  EXPECT_NEAR(predictor->predict(random_points(1, 2, 1))[0], 0.7, 1e-12);
}

TEST(LightGbm, EqualsItsPythonPackageOnTheSameData) {
  const auto predictor = make_predictor("lightgbm");
  predictor->fit(example().mixtures, example().scores);
  const auto predicted = predictor->predict(example().probes);
  for (size_t i = 0; i < predicted.size(); ++i)
    EXPECT_NEAR(predicted[i], example().lightgbm[i], 1e-12);
}

TEST(LightGbm, FittingAgainGivesTheSamePredictionsWithAnyNumberOfThreads) {
  PredictorConfig one, two;
  one.lightgbm.threads = 1;
  two.lightgbm.threads = 2;
  const auto a = make_predictor("lightgbm", one), b = make_predictor("lightgbm", two);
  a->fit(example().mixtures, example().scores);
  b->fit(random_points(30, 5, 2),
         std::vector<double>(example().scores.begin(), example().scores.begin() + 30));
  b->fit(example().mixtures, example().scores);
  EXPECT_EQ(a->predict(example().probes), b->predict(example().probes));
}

TEST(LightGbm, ItLearnsFromSixteenRows) {
  const Points x = random_points(16, 3, 3), probes = random_points(200, 3, 4);
  std::vector<double> y, truth;
  for (size_t i = 0; i < x.rows(); ++i) y.push_back(std::sqrt(x.row(i)[0]));
  for (size_t i = 0; i < probes.rows(); ++i) truth.push_back(std::sqrt(probes.row(i)[0]));
  const auto predictor = make_predictor("lightgbm");
  predictor->fit(x, y);
  EXPECT_GT(spearman(predictor->predict(probes), truth).value(), 0.9);
}

TEST(LightGbm, ThreeRowsOrConstantScoresPredictTheMean) {
  const auto predictor = make_predictor("lightgbm");
  predictor->fit(random_points(3, 4, 5), std::vector<double>{1, 2, 3});
  for (double p : predictor->predict(random_points(5, 4, 6))) EXPECT_NEAR(p, 2, 1e-6);
  predictor->fit(random_points(40, 4, 5), std::vector<double>(40, 0.25));
  for (double p : predictor->predict(random_points(5, 4, 6))) EXPECT_NEAR(p, 0.25, 1e-6);
  predictor->fit(random_points(1, 4, 5), std::vector<double>{0.5});
  for (double p : predictor->predict(random_points(5, 4, 6))) EXPECT_NEAR(p, 0.5, 1e-6);
}

TEST(Predictors, UnknownNamesAndBadSettingsAreErrors) {
  EXPECT_EQ(predictor_names(), (std::vector<std::string>{"ridge", "lightgbm"}));
  try {
    make_predictor("forest");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "there is no predictor 'forest'; there are ridge, lightgbm");
  }
  PredictorConfig config;
  config.ridge.penalty = 0;
  EXPECT_THROW(make_predictor("ridge", config), Error);
  config.lightgbm.learning_rate = 0;
  EXPECT_THROW(make_predictor("lightgbm", config), Error);
}

TEST(Tournament, ALinearScoreIsWonByRidgeAndAStepByLightGbm) {
  const Points x = random_points(60, 3, 8);
  std::vector<double> linear, step;
  for (size_t i = 0; i < x.rows(); ++i) {
    linear.push_back(3 * x.row(i)[0] - x.row(i)[1]);
    step.push_back(x.row(i)[0] > 0.2 && x.row(i)[0] < 0.5 ? 1 : 0);
  }
  Rng rng(9);
  const auto folds = random_folds(x.rows(), rng);
  const auto a = compete(predictor_names(), {}, x, linear, folds);
  EXPECT_EQ(a.names[a.winner], "ridge");
  EXPECT_EQ(a.reason.find("ridge (cross-validation error "), 0u) << a.reason;
  const auto b = compete(predictor_names(), {}, x, step, folds);
  EXPECT_EQ(b.names[b.winner], "lightgbm") << b.reason;
}

TEST(Tournament, CrossValidationErrorsAreOfRowsTheModelDidNotSee) {
  // Ridge with a huge penalty predicts the mean of the other fold: 1 for the twos' fold and 2 for
  // the ones'.
  PredictorConfig config;
  config.ridge.penalty = 1e12;
  const Points x = random_points(4, 2, 10);
  const std::vector<double> y = {1, 2, 1, 2};
  const std::vector<int> folds = {0, 1, 0, 1};
  const auto result = cross_validate("ridge", config, x, y, folds);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(result.predicted[i], 3 - y[i], 1e-9);
  EXPECT_NEAR(result.mae, 1, 1e-9);
  EXPECT_NEAR(result.rmse, 1, 1e-9);
  // The predictions of a fold differ by rounding only; the correlation is about -1.
  EXPECT_LT(result.spearman.value(), -0.8);
}

TEST(Tournament, WithFewRowsTheSimplestIsUsedWithoutAComparison) {
  const Points x = random_points(11, 3, 11);
  const auto result =
      compete(predictor_names(), {}, x, std::vector<double>(11, 1), std::vector<int>(11, 0));
  EXPECT_EQ(result.winner, 0u);
  EXPECT_TRUE(result.results.empty());
  EXPECT_EQ(result.reason,
            "ridge, since 11 proxies are too few for cross-validation (at least 12)");
}

TEST(Tournament, FoldsAreBalanced) {
  Rng rng(12);
  std::vector<int> count(5);
  for (int fold : random_folds(23, rng)) ++count[fold];
  for (int c : count) EXPECT_TRUE(c == 4 || c == 5);
  EXPECT_EQ(random_folds(3, rng).size(), 3u);
}

}  // namespace
}  // namespace demix
