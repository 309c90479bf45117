#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/log_linear.h"
#include "demix/search/predictor.h"

namespace demix {
namespace {

struct Example {
  Points mixtures, probes;
  std::vector<double> scores, ridge, pairs, lightgbm, law_scores, law, law_predicted;
  double law_loss, law_sign;
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
                   json["ridge"],
                   json["pairs"],
                   json["lightgbm"],
                   json["law_scores"],
                   json["law"],
                   json["law_predicted"],
                   json["law_loss"],
                   json["law_sign"]};
  }();
  return loaded;
}

Points random_points(size_t rows, size_t columns, int seed) {
  Rng rng(seed);
  Points points(columns);
  for (size_t i = 0; i < rows; ++i) points.add(rng.dirichlet(std::vector<double>(columns, 0.7)));
  return points;
}

// As the published scripts use it.
PredictorConfig plain_ridge() {
  PredictorConfig config;
  config.ridge = {.penalty = 0.5, .interactions = false};
  return config;
}

TEST(Ridge, EqualsTheNormalEquationsSolvedByNumpy) {
  const auto predictor = make_predictor("ridge", plain_ridge());
  predictor->fit(example().mixtures, example().scores);
  const auto predicted = predictor->predict(example().probes);
  for (size_t i = 0; i < predicted.size(); ++i)
    EXPECT_NEAR(predicted[i], example().ridge[i], 1e-12);
}

TEST(Ridge, WithInteractionsThePenaltyIsTheOneThatLeavingRowsOutFindsBest) {
  const auto predictor = make_predictor("ridge");
  predictor->fit(example().mixtures, example().scores);
  const auto predicted = predictor->predict(example().probes);
  for (size_t i = 0; i < predicted.size(); ++i) EXPECT_NEAR(predicted[i], example().pairs[i], 1e-7);
}

TEST(Ridge, AHandCalculationWithTwoRowsHolds) {
  // x = ±1/2 around the mean in each column (opposite signs), y = ±1: X'X + λ = [[1,-1],[-1,1]]/2 +
  // λI with λ = 1/2, X'y = (1, -1); w = (2/3, -2/3).
  Points x(2);
  x.add(std::vector<double>{1, 0});
  x.add(std::vector<double>{0, 1});
  const auto predictor = make_predictor("ridge", plain_ridge());
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

TEST(LightGbm, TwoRowsOrConstantScoresPredictTheMean) {
  const auto predictor = make_predictor("lightgbm");
  predictor->fit(random_points(2, 4, 5), std::vector<double>{1, 3});
  for (double p : predictor->predict(random_points(5, 4, 6))) EXPECT_NEAR(p, 2, 1e-6);
  predictor->fit(random_points(40, 4, 5), std::vector<double>(40, 0.25));
  for (double p : predictor->predict(random_points(5, 4, 6))) EXPECT_NEAR(p, 0.25, 1e-6);
  predictor->fit(random_points(1, 4, 5), std::vector<double>{0.5});
  for (double p : predictor->predict(random_points(5, 4, 6))) EXPECT_NEAR(p, 0.5, 1e-6);
}

TEST(LogLinear, ItsLossEqualsScipysAndItsDerivativesDifferences) {
  const auto& e = example();
  std::vector<double> y = e.law_scores;
  const double centre = mean(y), spread = standard_deviation(y) * std::sqrt(59.0 / 60);
  for (double& value : y) value = (value - centre) / spread;
  const auto loss = [&](const std::vector<double>& law, std::vector<double>& gradient) {
    return log_linear_loss(law, e.law_sign, e.mixtures, y, 0.5, 1e-5 / 60, gradient);
  };
  std::vector<double> gradient(6), unused(6);
  EXPECT_NEAR(loss(e.law, gradient), e.law_loss, 1e-10);
  for (double g : gradient) EXPECT_NEAR(g, 0, 1e-6);
  auto law = e.law;
  law[2] += 0.3;  // away from the minimum
  loss(law, gradient);
  for (size_t k = 0; k < law.size(); ++k) {
    auto ahead = law, behind = law;
    ahead[k] += 1e-6;
    behind[k] -= 1e-6;
    EXPECT_NEAR(gradient[k], (loss(ahead, unused) - loss(behind, unused)) / 2e-6, 1e-7);
  }
}

TEST(LogLinear, ItFindsTheBestLossThatScipyFindsFromManyStarts) {
  const auto& e = example();
  const auto predictor = make_predictor("log_linear");
  predictor->fit(e.mixtures, e.law_scores);
  const auto predicted = predictor->predict(e.probes);
  for (size_t i = 0; i < predicted.size(); ++i) EXPECT_NEAR(predicted[i], e.law_predicted[i], 1e-3);
}

TEST(LogLinear, ScoresThatRiseTowardsACeilingAreALawToo) {
  const Points x = random_points(60, 4, 21), probes = random_points(100, 4, 22);
  const auto law = [](std::span<const double> p) {
    return 0.8 - std::exp(-1 - 3 * p[0] + p[1] - 30 * p[2]);
  };
  std::vector<double> y;
  for (size_t i = 0; i < x.rows(); ++i) y.push_back(law(x.row(i)));
  const auto predictor = make_predictor("log_linear");
  predictor->fit(x, y);
  const auto predicted = predictor->predict(probes);
  for (size_t i = 0; i < probes.rows(); ++i) EXPECT_NEAR(predicted[i], law(probes.row(i)), 2e-3);
}

TEST(LogLinear, WhatItExtrapolatesStaysWithinThreeRangesOfTheScores) {
  Rng rng(6);
  Points near(2), far(2);
  std::vector<double> rising, falling;
  for (int i = 0; i < 40; ++i) {
    const double share = 0.2 * rng.uniform();
    near.add(std::vector<double>{share, 1 - share});
    rising.push_back(std::exp(30 * share) + 0.1 * rng.normal());
    falling.push_back(-rising.back());
  }
  for (const double share : {0.3, 0.6, 1.0}) far.add(std::vector<double>{share, 1 - share});
  for (const auto& scores : {rising, falling}) {
    const auto law = make_log_linear({});
    law->fit(near, scores);
    const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
    const double range = *most - *least;
    for (const Forecast& forecast : law->forecast(far)) {
      EXPECT_LE(forecast.mean, *most + 3.001 * range);
      EXPECT_GE(forecast.mean, *least - 3.001 * range);
      EXPECT_LT(forecast.deviation(), 100 * range);
    }
    std::vector<double> gradient(2);
    EXPECT_NEAR(law->slope(far.row(2), gradient), law->predict(far)[2], 1e-9 * range);
    EXPECT_EQ(gradient[0], 0);
  }
}

TEST(Predictors, SlopesEqualDifferencesOfPredictions) {
  for (const std::string& name : predictor_names()) {
    const auto predictor = make_predictor(name);
    predictor->fit(example().mixtures, example().scores);
    std::vector<double> x(example().probes.row(0).begin(), example().probes.row(0).end());
    std::vector<double> gradient(x.size());
    if (!predictor->smooth()) {
      EXPECT_EQ(name, "lightgbm");
      EXPECT_EQ(predictor->slope(x, gradient), 0);
      continue;
    }
    EXPECT_NEAR(predictor->slope(x, gradient), predictor->predict(example().probes)[0], 1e-9);
    for (size_t j = 0; j < x.size(); ++j) {
      Points around(x.size());
      for (double step : {1e-6, -1e-6}) {
        auto moved = x;
        moved[j] += step;
        around.add(moved);
      }
      const auto values = predictor->predict(around);
      EXPECT_NEAR(gradient[j], (values[0] - values[1]) / 2e-6, 1e-4 * (1 + std::abs(gradient[j])))
          << name;
    }
  }
}

TEST(Predictors, ErrorsAreLargerWhereNothingWasMeasured) {
  // Half of the simplex was never sampled.
  Rng rng(31);
  Points x(3), near(3), far(3);
  std::vector<double> y;
  for (int i = 0; i < 60; ++i) {
    const double a = 0.4 * rng.uniform(), b = (1 - a) * rng.uniform();
    x.add(std::vector<double>{a, b, 1 - a - b});
    y.push_back(a * a + 0.5 * b + 0.01 * rng.normal());
  }
  near.add(std::vector<double>{0.2, 0.4, 0.4});
  far.add(std::vector<double>{0.95, 0.02, 0.03});
  for (const char* name : {"ridge", "log_linear", "gaussian_process"}) {
    const auto predictor = make_predictor(name);
    predictor->fit(x, y);
    EXPECT_GT(predictor->forecast(far)[0].uncertainty, 2 * predictor->forecast(near)[0].uncertainty)
        << name;
    EXPECT_NEAR(predictor->forecast(near)[0].noise, 0.01, 0.01) << name;
  }
}

TEST(Predictors, UnknownNamesAndBadSettingsAreErrors) {
  EXPECT_EQ(predictor_names(),
            (std::vector<std::string>{"ridge", "log_linear", "gaussian_process", "lightgbm"}));
  try {
    make_predictor("forest");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "there is no predictor 'forest'; there are ridge, log_linear, gaussian_process, "
                 "lightgbm");
  }
  PredictorConfig config;
  config.ridge.penalty = -1;
  EXPECT_THROW(make_predictor("ridge", config), Error);
  config.lightgbm.learning_rate = 0;
  EXPECT_THROW(make_predictor("lightgbm", config), Error);
  config.gaussian_process.rows = 1;
  EXPECT_THROW(make_predictor("gaussian_process", config), Error);
  config.log_linear.starts = 0;
  EXPECT_THROW(make_predictor("log_linear", config), Error);
}

}  // namespace
}  // namespace demix
