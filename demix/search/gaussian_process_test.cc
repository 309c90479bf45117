#include "demix/search/gaussian_process.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/matern.h"
#include "tests/message_of.h"

namespace demix {
namespace {

struct Case {
  GaussianProcessParameters parameters;
  Points mixtures, probes;
  std::vector<double> scores, standard_errors, gradient, mean, uncertainty, noise;
  double log_marginal_likelihood;
};

Points as_points(const nlohmann::json& rows) {
  Points points(rows[0].size());
  for (const auto& row : rows) points.add(row.get<std::vector<double>>());
  return points;
}

// By scikit-learn; tests/data/search/gaussian_process.py.
const std::vector<Case>& cases() {
  static const std::vector<Case> loaded = [] {
    std::ifstream file(DEMIX_SOURCE_DIR "/tests/data/search/gaussian_process.json");
    const auto json = nlohmann::json::parse(file);
    std::vector<Case> cases;
    for (const auto& c : json["cases"]) {
      cases.push_back({{c["offset"],
                        c["power"],
                        c["skew"],
                        c["amplitude"],
                        c["noise"],
                        c["score_noise"],
                        c["trend"],
                        c["lengths"]},
                       as_points(c["mixtures"]),
                       as_points(c["probes"]),
                       c["scores"],
                       c["standard_errors"],
                       c["gradient"],
                       c["mean"],
                       c["uncertainty"],
                       c["deviation_of_noise"],
                       c["log_marginal_likelihood"]});
    }
    return cases;
  }();
  return loaded;
}

Points random_points(size_t rows, size_t columns, int seed) {
  Rng rng(seed);
  Points points(columns);
  for (size_t i = 0; i < rows; ++i) points.add(rng.dirichlet(std::vector<double>(columns, 0.7)));
  return points;
}

TEST(GaussianProcess, MarginalLikelihoodAndItsDerivativesEqualScikitLearns) {
  ASSERT_EQ(cases().size(), 4u);
  for (const Case& c : cases()) {
    std::vector<double> gradient(c.gradient.size());
    const double likelihood =
        log_marginal_likelihood(c.parameters, c.mixtures, c.scores, c.standard_errors, gradient);
    EXPECT_NEAR(likelihood, c.log_marginal_likelihood, 1e-8);
    for (size_t k = 0; k < gradient.size(); ++k) {
      // Differences lose half of the digits; one-sided ones at the logarithm more.
      const double tolerance = c.parameters.power == 0 && k == 1 ? 2e-2 : 1e-5;
      EXPECT_NEAR(gradient[k], c.gradient[k], tolerance * (1 + std::abs(c.gradient[k])))
          << "parameter " << k << " at power " << c.parameters.power;
    }
  }
}

TEST(GaussianProcess, MeansAndDeviationsEqualScikitLearns) {
  for (const Case& c : cases()) {
    const auto process = gaussian_process_of(c.parameters, c.mixtures, c.scores, c.standard_errors);
    const auto forecasts = process->forecast(c.probes);
    for (size_t i = 0; i < forecasts.size(); ++i) {
      EXPECT_NEAR(forecasts[i].mean, c.mean[i], 1e-9);
      EXPECT_NEAR(forecasts[i].uncertainty, c.uncertainty[i], 1e-7);
      EXPECT_NEAR(forecasts[i].noise, c.noise[i], 1e-7);
    }
  }
}

TEST(GaussianProcess, SlopesEqualDifferencesOfPredictions) {
  for (const Case& c : cases()) {
    const auto process = gaussian_process_of(c.parameters, c.mixtures, c.scores, c.standard_errors);
    for (size_t i = 0; i < c.probes.rows(); ++i) {
      std::vector<double> x(c.probes.row(i).begin(), c.probes.row(i).end()), gradient(x.size());
      EXPECT_NEAR(process->slope(x, gradient), c.mean[i], 1e-9);
      for (size_t j = 0; j < x.size(); ++j) {
        if (x[j] < 1e-3) continue;  // too curved for differences
        constexpr double kStep = 1e-6;
        Points around(x.size());
        auto moved = x;
        moved[j] += kStep;
        around.add(moved);
        moved[j] -= 2 * kStep;
        around.add(moved);
        const auto values = process->predict(around);
        EXPECT_NEAR(gradient[j], (values[0] - values[1]) / (2 * kStep), 1e-5);
      }
    }
  }
}

TEST(GaussianProcess, ASmoothLawIsLearnedFromSixtyRowsWithIntervalsThatHold) {
  const Points x = random_points(60, 5, 1), probes = random_points(300, 5, 2);
  const auto law = [](std::span<const double> p) {
    return 2 + std::exp(-4 * p[0]) + 0.3 * std::pow(p[1] + 0.01, -0.3);
  };
  Rng rng(3);
  std::vector<double> y, truth;
  for (size_t i = 0; i < x.rows(); ++i) y.push_back(law(x.row(i)) + 0.01 * rng.normal());
  for (size_t i = 0; i < probes.rows(); ++i) truth.push_back(law(probes.row(i)));
  const auto process = make_gaussian_process({});
  process->fit(x, y, {});
  const auto forecasts = process->forecast(probes);
  double squares = 0, inside = 0;
  for (size_t i = 0; i < truth.size(); ++i) {
    const double error = forecasts[i].mean - truth[i];
    squares += error * error / 300;
    inside += std::abs(error) < 1.645 * forecasts[i].deviation() ? 1.0 / 300 : 0;
  }
  EXPECT_LT(std::sqrt(squares), 0.04 * standard_deviation(truth));
  EXPECT_GT(inside, 0.8);
  EXPECT_NEAR(forecasts[0].noise, 0.01, 0.01);
}

TEST(GaussianProcess, NoiseThatIsTheSameAtAllScoresIsToldFromNoiseThatGrowsWithThem) {
  const Points x = random_points(120, 3, 13), ends = [] {
    Points points(3);
    points.add(std::vector<double>{0.9, 0.05, 0.05});  // low and high
    points.add(std::vector<double>{0.02, 0.49, 0.49});
    return points;
  }();
  const auto law = [](double share) { return std::pow(share + 0.02, -0.7); };
  for (const bool grows : {false, true}) {
    Rng rng(14);
    std::vector<double> y;
    for (size_t i = 0; i < x.rows(); ++i) {
      const double score = law(x.row(i)[0]);
      y.push_back(score + 0.1 * (grows ? score : 1) * rng.normal());
    }
    const auto process = make_gaussian_process({});
    process->fit(x, y, {});
    const auto forecasts = process->forecast(ends);
    const double ratio = forecasts[1].noise / forecasts[0].noise;
    EXPECT_LT(ratio, grows ? 20 : 1.6) << forecasts[0].noise << " " << forecasts[1].noise;
    EXPECT_GT(ratio, grows ? 4 : 0.9) << forecasts[0].noise << " " << forecasts[1].noise;
  }
}

TEST(GaussianProcess, KnownStandardErrorsSayWhichScoresToTrust) {
  // Half of the scores carry a huge error that their standard errors confess.
  const Points x = random_points(80, 3, 4), probes = random_points(200, 3, 5);
  Rng rng(6);
  std::vector<double> y, errors, truth;
  for (size_t i = 0; i < x.rows(); ++i) {
    errors.push_back(i % 2 ? 1.0 : 0.01);
    y.push_back(2 * x.row(i)[0] + errors[i] * rng.normal());
  }
  for (size_t i = 0; i < probes.rows(); ++i) truth.push_back(2 * probes.row(i)[0]);
  const auto told = make_gaussian_process({}), untold = make_gaussian_process({});
  told->fit(x, y, errors);
  untold->fit(x, y, {});
  const auto rmse = [&](const Predictor& predictor) {
    const auto predicted = predictor.predict(probes);
    double squares = 0;
    for (size_t i = 0; i < truth.size(); ++i)
      squares += (predicted[i] - truth[i]) * (predicted[i] - truth[i]);
    return std::sqrt(squares / static_cast<double>(truth.size()));
  };
  EXPECT_LT(rmse(*told), 0.03);
  EXPECT_GT(rmse(*untold), 0.1);
}

TEST(GaussianProcess, FewEqualAndRepeatedRowsAreNoTrouble) {
  const auto process = make_gaussian_process({});
  const Points probes = random_points(5, 4, 7);
  process->fit(random_points(1, 4, 8), std::vector<double>{0.3}, {});
  for (const Forecast& e : process->forecast(probes)) {
    EXPECT_EQ(e.mean, 0.3);
    EXPECT_EQ(e.deviation(), 0);
  }
  process->fit(random_points(30, 4, 8), std::vector<double>(30, 0.1), {});
  for (double p : process->predict(probes)) EXPECT_NEAR(p, 0.1, 1e-15);
  process->fit(random_points(3, 4, 8), std::vector<double>{1, 2, 3}, {});
  for (const Forecast& e : process->forecast(probes)) {
    EXPECT_TRUE(std::isfinite(e.mean));
    EXPECT_GT(e.deviation(), 0.1);
  }
  Points repeated(2);
  for (int i = 0; i < 40; ++i)
    repeated.add(std::vector<double>{0.25 * (i % 4), 1 - 0.25 * (i % 4)});
  std::vector<double> y;
  for (int i = 0; i < 40; ++i) y.push_back(i % 4);
  process->fit(repeated, y, {});
  const auto predicted = process->predict(repeated);
  for (int i = 0; i < 40; ++i) EXPECT_NEAR(predicted[i], y[i], 0.02);
}

TEST(GaussianProcess, ScoresWhoseSquaresOverflowAreRefused) {
  EXPECT_MENTIONS(message_of([] {
                    make_gaussian_process({})->fit(
                        random_points(3, 4, 8), std::vector<double>{1, 2, 1e200}, {});
                  }),
                  "cannot learn from 3 scores from 1 to 1e+200");
}

TEST(GaussianProcess, FromManyRowsItLearnsFromAnEvenSelection) {
  GaussianProcessConfig config;
  config.rows = 50;
  config.rows_for_start = 20;
  const Points x = random_points(200, 3, 9);
  std::vector<double> y;
  for (size_t i = 0; i < x.rows(); ++i) y.push_back(std::sqrt(x.row(i)[0]));
  const auto process = make_gaussian_process(config);
  process->fit(x, y, {});
  EXPECT_GT(spearman(process->predict(x), y).value(), 0.99);
}

TEST(MaternSum, EqualsTheKernelTermByTermForAnyNumberOfCentresAndQueries) {
  for (const size_t rows : {1u, 127u, 128u, 300u}) {
    const Points centres = random_points(rows, 7, 10), queries = random_points(9, 7, 11);
    Rng rng(12);
    std::vector<double> weights, sums(queries.rows());
    for (size_t i = 0; i < rows; ++i) weights.push_back(rng.normal());
    MaternSum(centres, weights)(queries.values().data(), queries.rows(), sums.data());
    for (size_t q = 0; q < queries.rows(); ++q) {
      double expected = 0;
      for (size_t i = 0; i < rows; ++i) {
        double squared = 0;
        for (size_t j = 0; j < 7; ++j)
          squared += std::pow(queries.row(q)[j] - centres.row(i)[j], 2);
        expected += weights[i] * matern(squared);
      }
      EXPECT_NEAR(sums[q], expected, 1e-12 * static_cast<double>(rows));
    }
  }
}

}  // namespace
}  // namespace demix
