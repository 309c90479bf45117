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
  const GaugeReading reading = read_gauge(signs(kUp, kUp));
  EXPECT_DOUBLE_EQ(reading.value, 1);
  EXPECT_TRUE(reading.warnings.empty());
}

TEST(Gauge, IsZeroAndWarnsWhereTheyRankTheOtherWayRound) {
  const GaugeReading reading = read_gauge(signs(kUp, kDown));
  EXPECT_EQ(reading.value, 0);
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_EQ(reading.warnings[0],
            "The proxies and the components' own scores rank mixtures differently in general "
            "(0.00), where a gauge below 0.7 is low: at least one of the two is wrong. Only "
            "references can say which (validate.references).");
}

TEST(Gauge, FallsWithTheShareOfTheSpreadThatIsNoise) {
  GaugeSigns noisy = signs(kUp, kUp);
  noisy.noise = {std::sqrt(3.5) * 0.6};  // the spread's standard deviation is √3.5
  EXPECT_NEAR(read_gauge(noisy).value, 0.8, 1e-12);
  EXPECT_TRUE(read_gauge(noisy).warnings.empty());
  noisy.noise = {10};
  const GaugeReading lost = read_gauge(noisy);
  EXPECT_EQ(lost.value, 0);
  ASSERT_EQ(lost.warnings.size(), 1u);
  EXPECT_EQ(lost.warnings[0],
            "The proxies' differences are mostly noise in general (0.00), where a gauge below 0.7 "
            "is low. Give them more items (evaluate.limit, evaluate.held_out_tokens) or another "
            "metric.");
}

TEST(Gauge, IsZeroWhereMergedModelsScoreBelowTheAverageOfTheirComponents) {
  GaugeSigns broken = signs(kUp, kUp);
  broken.barriers = barriers_of({{2, 3}}, {{2.7, 3.5}});
  broken.noise = {0.1};
  const GaugeReading reading = read_gauge(broken);
  EXPECT_EQ(reading.value, 0);
  EXPECT_TRUE(reading.verdict.starts_with("Merging breaks")) << reading.verdict;
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_NE(reading.warnings[0].find("below the average of their components in general (by 0.6)"),
            std::string::npos)
      << reading.warnings[0];

  EXPECT_TRUE(reading.broken);

  broken.merges = false;  // what ensembles of them say stands, with the same warning
  const GaugeReading of_ensembles = read_gauge(broken);
  EXPECT_NEAR(of_ensembles.value, 1, 0.01);
  EXPECT_TRUE(of_ensembles.broken);
  EXPECT_EQ(of_ensembles.warnings, reading.warnings);
  broken.merges = true;

  broken.noise = {0.4};  // 0.6 is within two errors
  EXPECT_TRUE(read_gauge(broken).warnings.empty());
  broken.noise = {0};
  broken.barriers = {0.4};  // less than a quarter of the interpolated scores' deviation, 1.9
  EXPECT_EQ(read_gauge(broken).value, 1);
  broken.barriers = {-0.6};  // merging gains
  EXPECT_EQ(read_gauge(broken).value, 1);
  broken.noise = {std::nan("")};
  broken.barriers = {1.8};  // with noise that nobody knows, as much as the deviation is none
  EXPECT_FALSE(read_gauge(broken).broken);
  broken.barriers = {2};
  EXPECT_TRUE(read_gauge(broken).broken);
}

TEST(Gauge, ComponentsFarFromTheBaseAreWarnedOfThoughAllElseAgrees) {
  GaugeSigns far = signs(kUp, kUp);
  far.drifts = {0.3, 0.26, 0.2};
  const GaugeReading reading = read_gauge(far);
  EXPECT_TRUE(reading.broken);
  EXPECT_EQ(reading.value, 1);
  EXPECT_TRUE(reading.verdict.starts_with("The components lie too far")) << reading.verdict;
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_NE(reading.warnings[0].find("lie about 0.26 from the base, where 0.25 is far"),
            std::string::npos)
      << reading.warnings[0];
  far.drifts = {0.3, 0.24, 0.2};
  EXPECT_FALSE(read_gauge(far).broken);
}

TEST(Gauge, AComponentThatLiesElsewhereThanTheOthersIsNamedAndSpoilsTheVerdict) {
  GaugeSigns diverged = signs(kUp, kUp);
  diverged.drifts = {0.1, 0.45, 0.12};
  const GaugeReading reading = read_gauge(diverged);
  EXPECT_TRUE(reading.broken);
  EXPECT_EQ(reading.verdict,
            "code lies elsewhere than the other components: every proxy with a share of it is "
            "suspect. Do not act on these proxies before it is trained anew.");
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_EQ(reading.warnings[0],
            "Component code lies 0.45 from the base, the others about 0.12: it diverged or was "
            "trained otherwise, and every proxy with a share of it is suspect. Train it anew, as "
            "the others.");
  diverged.drifts = {0.1, 0.02, 0.12};
  const GaugeReading stopped = read_gauge(diverged);
  EXPECT_TRUE(stopped.broken);
  ASSERT_EQ(stopped.warnings.size(), 1u);
  EXPECT_NE(stopped.warnings[0].find("Component code lies 0.02 from the base, the others about "
                                     "0.1: it was hardly trained, or otherwise"),
            std::string::npos)
      << stopped.warnings[0];
}

TEST(Gauge, ADomainWhoseProxiesScoreAlikeHasNoneAndTheOthersKeepTheirs) {
  GaugeSigns half = signs(kUp, kUp);
  half.domains = {"general", "quiz"};
  half.proxies.push_back({0, 0, 0, 0, 0, 0});
  half.interpolated.push_back(kUp);
  half.noise = {0.1, 0};
  half.drifts = {0.1, 0.45, 0.12};
  const GaugeReading reading = read_gauge(half);
  EXPECT_NEAR(reading.value, 0.9986, 1e-4);
  EXPECT_TRUE(std::isnan(reading.domains[1]));
  EXPECT_TRUE(reading.broken);  // what else is known is still said
  EXPECT_EQ(reading.warnings.size(), 1u);
}

TEST(Gauge, SaysNothingOfFewOrConstantProxies) {
  for (const GaugeReading& reading : {read_gauge(signs({1, 2, 3, 4}, {1, 2, 3, 4})),
                                      read_gauge(signs({1, 1, 1, 1, 1}, {1, 2, 3, 4, 5}))}) {
    EXPECT_TRUE(std::isnan(reading.value));
    EXPECT_FALSE(reading.broken);
    EXPECT_TRUE(reading.verdict.starts_with("Nothing can be said")) << reading.verdict;
    EXPECT_TRUE(reading.warnings.empty());
  }
}

}  // namespace
}  // namespace demix
