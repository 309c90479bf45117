#include "demix/report/plot.h"

#include <gtest/gtest.h>

#include "demix/report/charts.h"

namespace demix {
namespace {

TEST(Scale, MapsItsEndsToZeroAndAHundredPercent) {
  const Scale scale{2, 6};
  EXPECT_DOUBLE_EQ(scale.percent(2), 0);
  EXPECT_DOUBLE_EQ(scale.percent(3), 25);
  EXPECT_DOUBLE_EQ((Scale{2, 6, true}).percent(3), 75);
}

TEST(Scale, TicksAreRoundNumbersInside) {
  EXPECT_EQ((Scale{0, 1}).ticks(5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ((Scale{0, 1}).decimals(5), 1);
  EXPECT_EQ((Scale{-1.46, -1.34}).decimals(3), 2);
  EXPECT_EQ((Scale{3, 980}).ticks(2), (std::vector<double>{500}));
  EXPECT_EQ((Scale{3, 980}).decimals(2), 0);
}

TEST(ScaleOver, HoldsTheValuesAndIgnoresUnknownOnes) {
  const std::vector<double> values = {1, kUnknown, 3};
  const Scale scale = scale_over(values);
  EXPECT_LT(scale.low, 1);
  EXPECT_GT(scale.high, 3);
  EXPECT_TRUE(scale.holds(2));
  EXPECT_FALSE(scale.holds(kUnknown));
}

TEST(ScaleOver, EqualValuesAndRoundingNoiseStillGiveAFewTicks) {
  for (const std::vector<double>& values : {std::vector<double>{1, 1 + 2e-16},
                                            std::vector<double>{0, 0},
                                            std::vector<double>{-5e9},
                                            std::vector<double>{},
                                            std::vector<double>{kUnknown}}) {
    const auto ticks = scale_over(values).ticks(4);
    EXPECT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 10u);
  }
}

TEST(ScoreStrip, TurnsLowerIsBetterSoThatBetterIsToTheRight) {
  ScoreRow row;
  row.found_trained = {1.0, 0};
  row.natural_trained = {2.0, 0};
  row.higher_is_better = false;
  const std::string svg = score_strip(row).text;
  const auto x_of = [&](const std::string& mark) {
    const size_t end = svg.find("class=\"mark " + mark);
    const size_t at = svg.rfind("<svg x=\"", end) + 8;
    return std::stod(svg.substr(at, 6));
  };
  EXPECT_NEAR(x_of("found"), 94.64, 0.01);  // margins of 6 % of the range on both sides
  EXPECT_NEAR(x_of("natural"), 5.36, 0.01);
}

TEST(Shown, ScoresHaveTheHalfWidthOfTheirInterval) {
  EXPECT_EQ(show_score({0.41234, 0.01}), "0.412 ± 0.020");
  EXPECT_EQ(show_score({0.41234, kUnknown}), "0.412");
  EXPECT_EQ(show_score({}), "–");
  EXPECT_EQ(show_estimate({0.861, 0.71, 0.944}), "0.86 [0.71, 0.94]");
}

}  // namespace
}  // namespace demix
