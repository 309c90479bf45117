#include "demix/search/tolerance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace demix {
namespace {

const std::vector<std::string> kNames = {"a", "b", "c"};

FeasibleSet set_of(double anchor, const ConstraintConfig& config = {.max_times_prior = 0}) {
  const Composition composition = Composition::anchored(kNames, "a", anchor);
  return FeasibleSet(composition,
                     share_constraints(config, composition, std::vector<double>(3, 1), {}, 0));
}

// Falls with the square of the distance of b's weight from 0.3; other weights make no difference.
std::vector<double> parabola(const Points& points) {
  std::vector<double> values;
  for (size_t i = 0; i < points.rows(); ++i) values.push_back(-std::pow(points.row(i)[1] - 0.3, 2));
  return values;
}

TEST(Tolerance, EndsWhereTheGoalHasFallen) {
  const std::vector<double> at = {0.5, 0.3, 0.2};
  const auto found = tolerances(parabola, set_of(0), at, 0.01);
  EXPECT_NEAR(found[1].low, 0.2, 2e-4);
  EXPECT_NEAR(found[1].high, 0.4, 2e-4);
  EXPECT_FALSE(found[1].low_bound || found[1].high_bound);
  EXPECT_NEAR(found[1].high_share, 0.4, 2e-4);
  // a to one takes b along: b = 0.3 (1 - a) / 0.5 has fallen to 0.2 at a = 2/3.
  EXPECT_NEAR(found[0].high, 2.0 / 3, 3e-4);
  EXPECT_FALSE(found[0].high_bound);
  // Without c, b has 0.375, within the tolerance.
  EXPECT_EQ(found[2].low, 0);
  EXPECT_TRUE(found[2].low_bound);
  EXPECT_TRUE(found[2].low_share == 0);
}

TEST(Tolerance, ConstraintsEndTheRange) {
  ConstraintConfig config{.max_times_prior = 0};
  config.max_share = {{"b", 0.35}};
  const std::vector<double> at = {0.5, 0.3, 0.2};
  const auto found = tolerances(parabola, set_of(0, config), at, 0.01);
  EXPECT_NEAR(found[1].high, 0.35, 2e-4);
  EXPECT_TRUE(found[1].high_bound);
  EXPECT_FALSE(found[1].low_bound);
}

TEST(Tolerance, FloorsEndTheRangeAndAreMarked) {
  const auto floored = [](const Points& points) {
    auto values = parabola(points);
    for (size_t i = 0; i < values.size(); ++i) {
      if (points.row(i)[1] > 0.35) values[i] = -std::numeric_limits<double>::infinity();
    }
    return values;
  };
  const auto found = tolerances(floored, set_of(0), std::vector<double>{0.5, 0.3, 0.2}, 0.01);
  EXPECT_NEAR(found[1].high, 0.35, 2e-4);
  EXPECT_TRUE(found[1].high_floor);
  EXPECT_FALSE(found[1].high_bound || found[1].low_floor);
}

TEST(GoalDeviation, ErrorsAddUpRunByRunAsTheGoalCountsThem) {
  const std::vector<double> one = {1, 2, 4}, other = {3, 2, 0};
  const std::vector<Forecast> twos(3, {.mean = 2});
  const std::vector<MeasuredTerm> both = {{one, twos}, {other, twos}};
  // Errors -1 0 2 and 1 0 -2: together they are nothing, or one counts against the other.
  EXPECT_EQ(goal_deviation(std::vector<GoalTerm>{{.weight = 1}, {.weight = 1}}, both), 0);
  const std::vector<GoalTerm> against = {{.weight = 0.5}, {.sign = -1, .weight = 0.5}};
  EXPECT_NEAR(goal_deviation(against, both), std::sqrt(7.0 / 3), 1e-12);
  EXPECT_NEAR(goal_deviation(std::vector<GoalTerm>{{.weight = 2}, {.weight = 0}}, both),
              2 * std::sqrt(7.0 / 3),
              1e-12);
}

TEST(Tolerance, SharesAreThoseOfTheData) {
  const std::vector<double> at = {0.5, 0.3, 0.2};
  const auto found = tolerances(parabola, set_of(0.5), at, 0.01);
  EXPECT_NEAR(found[1].high, 0.4, 2e-4);
  EXPECT_NEAR(found[1].high_share, 0.2, 2e-4);
}

TEST(Tolerance, ACornerCanBeLeft) {
  const std::vector<double> at = {0, 1, 0};
  const auto away = [](const Points& points) {
    std::vector<double> values;
    for (size_t i = 0; i < points.rows(); ++i) values.push_back(points.row(i)[1]);
    return values;
  };
  const auto found = tolerances(away, set_of(0), at, 0.1);
  EXPECT_NEAR(found[1].low, 0.9, 2e-4);
  EXPECT_EQ(found[1].high, 1);
  EXPECT_NEAR(found[2].high, 0.1, 2e-4);
}

}  // namespace
}  // namespace demix
