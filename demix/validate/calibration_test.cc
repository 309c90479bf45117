#include "demix/validate/calibration.h"

#include <gtest/gtest.h>

#include "demix/core/ranks.h"
#include "demix/core/rng.h"

namespace demix {
namespace {

TEST(Calibration, FindsTheLineOfAnEstimateThatIsRightUpToUnit) {
  const std::vector<std::vector<double>> estimates = {{1, 2, 3, 5, 8}};
  const std::vector<double> trained = {-1.5, -1, -0.5, 0.5, 2};  // 0.5 x − 2
  const Calibration calibration(estimates, trained);
  EXPECT_NEAR(calibration.expected(std::vector{4.0}), 0, 0.01);
  EXPECT_NEAR(calibration.expected(std::vector{10.0}), 3, 0.03);
}

TEST(Calibration, TwoBiasedEstimatesTogetherRankBetterThanEach) {
  Rng rng(3);
  std::vector<double> trained, a, b;
  for (int i = 0; i < 40; ++i) {
    const double truth = rng.normal(), bias = rng.normal();
    trained.push_back(truth);
    a.push_back(truth + bias);
    b.push_back(truth - bias + 0.05 * rng.normal());
  }
  const std::vector<std::vector<double>> both = {a, b};
  const double together = *spearman(calibrated_by_others(both, trained), trained);
  EXPECT_GT(together, 0.95);
  EXPECT_LT(*spearman(a, trained), 0.85);
}

TEST(Calibration, NoiseThatIsAnEstimateDoesNotForetellTheReferenceLeftOut) {
  Rng rng(4);
  std::vector<double> trained;
  std::vector<std::vector<double>> noise(4);
  for (int i = 0; i < 30; ++i) {
    trained.push_back(rng.normal());
    for (auto& values : noise) values.push_back(rng.normal());
  }
  EXPECT_LT(*spearman(calibrated_by_others(noise, trained), trained), 0.4);
}

TEST(Calibration, FewReferencesTeachThoseOfTheNextGroupOnly) {
  // In each group of three the truth is the estimate plus a number of the group's own.
  std::vector<double> estimate, trained;
  for (int i = 0; i < 10; ++i) {
    estimate.push_back(i % 3 + 0.1 * i);
    trained.push_back(estimate.back() + 100 * (i / 3));
  }
  const std::vector<std::vector<double>> estimates = {estimate};
  const std::vector<double> expected = calibrated_by_few(estimates, trained, 3);
  ASSERT_EQ(expected.size(), 10u);
  for (size_t i = 0; i < 10; ++i) {
    const double taught = i < 3 ? 200 : 100.0 * (static_cast<double>(i / 3) - 1);
    EXPECT_NEAR(expected[i], estimate[i] + taught, 0.1) << i;
  }
  EXPECT_TRUE(calibrated_by_few(estimates, trained, 6).empty());
}

TEST(Calibration, AConstantEstimateGetsNoWeight) {
  const std::vector<std::vector<double>> estimates = {{1, 2, 3, 4}, {7, 7, 7, 7}};
  const std::vector<double> trained = {1, 2, 3, 4};
  const Calibration calibration(estimates, trained);
  EXPECT_EQ(calibration.expected(std::vector{2.0, 7.0}),
            calibration.expected(std::vector{2.0, 1000.0}));
}

}  // namespace
}  // namespace demix
