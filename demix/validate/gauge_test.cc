#include "demix/validate/gauge.h"

#include <gtest/gtest.h>

#include <cmath>

namespace demix {
namespace {

const std::vector<double> kUp = {1, 2, 3, 4, 5, 6};
const std::vector<double> kDown = {6, 5, 4, 3, 2, 1};

GaugeSigns signs(const std::vector<double>& proxies, const std::vector<double>& interpolated) {
  GaugeSigns signs;
  signs.components = {"wiki", "code", "math"};
  signs.domains = {"general"};
  signs.drifts = {0.1, 0.12, 0.11};
  signs.proxies = {proxies};
  signs.interpolated = {interpolated};
  signs.noise = {std::nan("")};
  return signs;
}

TEST(Gauge, IsOneWhereMergingAndInterpolatingAgreeWithoutNoise) {
  const auto reading = read_gauge(signs(kUp, kUp));
  ASSERT_TRUE(reading);
  EXPECT_DOUBLE_EQ(reading->value, 1);
  EXPECT_TRUE(reading->warnings.empty());
}

TEST(Gauge, IsZeroAndWarnsWhereTheyRankTheOtherWayRound) {
  const auto reading = read_gauge(signs(kUp, kDown));
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->value, 0);
  ASSERT_EQ(reading->warnings.size(), 1u);
  EXPECT_NE(reading->warnings[0].find("cannot be trusted for general (0.00)"), std::string::npos);
}

TEST(Gauge, FallsWithTheShareOfTheSpreadThatIsNoise) {
  GaugeSigns noisy = signs(kUp, kUp);
  noisy.noise = {std::sqrt(3.5) * 0.6};  // the spread's standard deviation is √3.5
  EXPECT_NEAR(read_gauge(noisy)->value, 0.8, 1e-12);
  noisy.noise = {10};
  EXPECT_EQ(read_gauge(noisy)->value, 0);
}

TEST(Gauge, IsZeroWhereMergedModelsScoreBelowTheAverageOfTheirComponents) {
  GaugeSigns broken = signs(kUp, kUp);
  broken.barriers = barriers_of({{2, 3}}, {{2.7, 3.5}});
  const auto reading = read_gauge(broken);
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->value, 0);
  EXPECT_TRUE(reading->verdict.starts_with("Merging breaks")) << reading->verdict;
  ASSERT_EQ(reading->warnings.size(), 1u);
  EXPECT_NE(reading->warnings[0].find("below the average of their components in general (by 0.6)"),
            std::string::npos)
      << reading->warnings[0];

  EXPECT_TRUE(reading->broken);

  broken.merges = false;  // what ensembles of them say stands, with the same warning
  const auto of_ensembles = read_gauge(broken);
  EXPECT_EQ(of_ensembles->value, 1);
  EXPECT_TRUE(of_ensembles->broken);
  EXPECT_EQ(of_ensembles->warnings, reading->warnings);
  broken.merges = true;

  broken.noise = {0.4};  // 0.6 is within two errors
  EXPECT_TRUE(read_gauge(broken)->warnings.empty());
  broken.noise = {std::nan("")};
  broken.barriers = {0.4};  // less than a quarter of the interpolated scores' deviation, 1.9
  EXPECT_EQ(read_gauge(broken)->value, 1);
  broken.barriers = {-0.6};  // merging gains
  EXPECT_EQ(read_gauge(broken)->value, 1);
}

TEST(Gauge, ComponentsFarFromTheBaseAreWarnedOfThoughAllElseAgrees) {
  GaugeSigns far = signs(kUp, kUp);
  far.drifts = {0.3, 0.26, 0.2};
  const auto reading = read_gauge(far);
  EXPECT_TRUE(reading->broken);
  EXPECT_EQ(reading->value, 1);
  EXPECT_TRUE(reading->verdict.starts_with("The components lie too far")) << reading->verdict;
  ASSERT_EQ(reading->warnings.size(), 1u);
  EXPECT_NE(reading->warnings[0].find("lie about 0.26 from the base, where 0.25 is far"),
            std::string::npos)
      << reading->warnings[0];
  far.drifts = {0.3, 0.24, 0.2};
  EXPECT_FALSE(read_gauge(far)->broken);
}

TEST(Gauge, ADivergedComponentIsNamed) {
  GaugeSigns diverged = signs(kUp, kUp);
  diverged.drifts = {0.1, 0.45, 0.12};
  const auto reading = read_gauge(diverged);
  ASSERT_EQ(reading->warnings.size(), 1u);
  EXPECT_NE(reading->warnings[0].find("Component code lies 0.45 from the base"), std::string::npos);
}

TEST(Gauge, SaysNothingOfFewOrConstantProxies) {
  EXPECT_FALSE(read_gauge(signs({1, 2, 3, 4}, {1, 2, 3, 4})));
  EXPECT_FALSE(read_gauge(signs({1, 1, 1, 1, 1}, {1, 2, 3, 4, 5})));
}

}  // namespace
}  // namespace demix
