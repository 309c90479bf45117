#include "demix/validate/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/ranks.h"
#include "demix/core/rng.h"

namespace demix {
namespace {

using Estimates = std::vector<std::vector<double>>;

Points random_shares(size_t rows, size_t columns, uint64_t seed) {
  Rng rng(seed);
  Points shares(columns);
  for (size_t i = 0; i < rows; ++i) shares.add(rng.dirichlet(std::vector<double>(columns, 1.0)));
  return shares;
}

// Of one domain; `estimates` [estimate][reference].
std::vector<EstimatedMixture> references_of(const Estimates& estimates, const Points& shares) {
  std::vector<EstimatedMixture> references;
  for (size_t i = 0; i < shares.rows(); ++i) {
    references.push_back({{shares.row(i).begin(), shares.row(i).end()}, {}});
    for (const auto& values : estimates) references.back().estimates.push_back({values[i]});
  }
  return references;
}

std::vector<std::vector<double>> truth_of(const std::vector<double>& trained) {
  std::vector<std::vector<double>> truth;
  for (const double score : trained) truth.push_back({score});
  return truth;
}

std::vector<double> expected_by_others(const Estimates& estimates,
                                       const Points& shares,
                                       const std::vector<double>& trained) {
  std::vector<double> means;
  for (const auto& forecasts :
       calibrated_by_others(references_of(estimates, shares), truth_of(trained)))
    means.push_back(forecasts[0].mean);
  return means;
}

TEST(Calibration, FindsTheLineOfAnEstimateThatIsRightUpToUnit) {
  const Points shares = random_shares(9, 3, 1);
  Estimates estimates(1);
  std::vector<double> trained;
  for (const double x : {1.0, 2.0, 3.0, 5.0, 8.0, 4.0, 6.0, 7.0, 2.5}) {
    estimates[0].push_back(x);
    trained.push_back(0.5 * x - 2);
  }
  const Calibration calibration(estimates, shares, trained);
  EXPECT_NEAR(calibration.expected(std::vector{4.0}, std::vector{0.2, 0.3, 0.5}).mean, 0, 0.05);
  EXPECT_NEAR(calibration.expected(std::vector{10.0}, std::vector{0.5, 0.1, 0.4}).mean, 3, 0.15);
}

TEST(Calibration, LearnsOverTheMixturesWhatNoEstimateKnows) {
  const Points shares = random_shares(40, 3, 2);
  Rng rng(3);
  Estimates estimates(1);
  std::vector<double> trained;
  for (size_t i = 0; i < shares.rows(); ++i) {
    estimates[0].push_back(rng.normal());
    trained.push_back(estimates[0][i] + 2 * std::sqrt(shares.row(i)[0]));
  }
  const double own = *spearman(estimates[0], trained);
  const double with = *spearman(expected_by_others(estimates, shares, trained), trained);
  EXPECT_LT(own, 0.95);
  EXPECT_GT(with, 0.99);
  // Without any estimate the noise that the estimate would explain stays.
  EXPECT_LT(*spearman(expected_by_others({}, shares, trained), trained), 0.7);
}

TEST(Calibration, TwoBiasedEstimatesTogetherRankBetterThanEach) {
  Rng rng(3);
  const Points shares = random_shares(40, 4, 4);
  std::vector<double> trained, a, b;
  for (int i = 0; i < 40; ++i) {
    const double truth = rng.normal(), bias = rng.normal();
    trained.push_back(truth);
    a.push_back(truth + bias);
    b.push_back(truth - bias + 0.05 * rng.normal());
  }
  const Estimates both = {a, b};
  EXPECT_GT(*spearman(expected_by_others(both, shares, trained), trained), 0.95);
  EXPECT_LT(*spearman(a, trained), 0.85);
}

TEST(Calibration, NoiseThatIsAnEstimateDoesNotForetellTheReferenceLeftOut) {
  Rng rng(4);
  const Points shares = random_shares(30, 4, 5);
  std::vector<double> trained;
  Estimates noise(4);
  for (int i = 0; i < 30; ++i) {
    trained.push_back(rng.normal());
    for (auto& values : noise) values.push_back(rng.normal());
  }
  EXPECT_LT(*spearman(expected_by_others(noise, shares, trained), trained), 0.4);
}

TEST(Calibration, TheErrorsItStatesAreThoseItMakes) {
  // Processes of its own kind: estimates that are half of the truth, a smooth rest, some noise.
  int within = 0, count = 0;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const Points shares = random_shares(24, 4, 100 + seed);
    Rng rng(200 + seed);
    const double slope = rng.normal(), bend = rng.normal();
    Estimates estimates(1);
    std::vector<double> trained;
    for (size_t i = 0; i < shares.rows(); ++i) {
      estimates[0].push_back(rng.normal());
      trained.push_back(estimates[0][i] + slope * std::sqrt(shares.row(i)[1]) +
                        bend * shares.row(i)[2] + 0.15 * rng.normal());
    }
    const auto expected =
        calibrated_by_few(references_of(estimates, shares), truth_of(trained), 12);
    for (size_t i = 0; i < trained.size(); ++i, ++count)
      within += std::abs(trained[i] - expected[i][0].mean) < 1.645 * expected[i][0].deviation();
  }
  EXPECT_GT(within, 0.84 * count);
  EXPECT_LT(within, 0.97 * count);
}

TEST(Calibration, FewReferencesTeachThoseOfTheNextGroupOnly) {
  // Changing one reference's score changes what is expected in the next group and nowhere else.
  const Points shares = random_shares(14, 3, 6);
  Rng rng(7);
  Estimates estimates(1);
  std::vector<double> trained;
  for (int i = 0; i < 14; ++i) {
    estimates[0].push_back(rng.normal());
    trained.push_back(rng.normal());
  }
  const auto references = references_of(estimates, shares);
  const auto before = calibrated_by_few(references, truth_of(trained), 4);
  trained[9] += 1;  // of the third and last whole group, whose next ones are the first and the rest
  const auto after = calibrated_by_few(references, truth_of(trained), 4);
  ASSERT_EQ(after.size(), 14u);
  for (size_t i = 0; i < 14; ++i)
    EXPECT_EQ(before[i][0].mean != after[i][0].mean, i < 4 || i >= 12) << i;
  EXPECT_TRUE(calibrated_by_few(references, truth_of(trained), 8).empty());
}

TEST(Calibration, AConstantEstimateGetsNoWeight) {
  const Points shares = random_shares(4, 3, 8);
  const Estimates estimates = {{1, 2, 3, 4}, {7, 7, 7, 7}};
  const std::vector<double> trained = {1, 2, 3, 4}, here = {0.2, 0.3, 0.5};
  const Calibration calibration(estimates, shares, trained);
  EXPECT_EQ(calibration.expected(std::vector{2.0, 7.0}, here).mean,
            calibration.expected(std::vector{2.0, 1000.0}, here).mean);
}

TEST(Calibration, ScoresThatAreAllTheSameAreExpectedAgain) {
  const Points shares = random_shares(5, 3, 9);
  const Estimates estimates = {{1, 2, 3, 4, 5}};
  const std::vector<double> trained(5, -2.5);
  const Forecast forecast =
      Calibration(estimates, shares, trained).expected(std::vector{9.0}, shares.row(0));
  EXPECT_NEAR(forecast.mean, -2.5, 1e-9);
  EXPECT_TRUE(std::isfinite(forecast.deviation()));
}

TEST(DomainCalibrations, AnEstimateThatSomeReferenceLacksIsUsedInOtherDomainsOnly) {
  const double unknown = std::nan("");
  std::vector<EstimatedMixture> references;
  std::vector<std::vector<double>> trained;
  for (int i = 0; i < 8; ++i) {
    const double x = i, share = 0.1 * i;
    references.push_back({{share, 1 - share}, {{x, x}, {-x, i == 3 ? unknown : -x}}});
    trained.push_back({x, x});
  }
  const DomainCalibrations calibrations(references, trained);
  const EstimatedMixture here{{0.35, 0.65}, {{3.5, 3.5}, {unknown, unknown}}};
  const std::vector<Forecast> expected = calibrations.expected(here);
  EXPECT_TRUE(std::isnan(expected[0].mean));  // what the references know of it must be known here
  EXPECT_NEAR(expected[1].mean, 3.5, 0.1);
}

}  // namespace
}  // namespace demix
