#include "demix/search/prediction_goal.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/rng.h"
#include "demix/search/ensemble.h"

namespace demix {
namespace {

// Its prediction is the square root of one share; known everywhere with the same error.
class Root : public Predictor {
 public:
  Root(size_t column, double uncertainty, bool stairs = false)
      : column_(column), uncertainty_(uncertainty), stairs_(stairs) {}
  using Predictor::predict;
  void fit(const Points&, std::span<const double>, std::span<const double>) override {}
  void predict(const Points& mixtures, std::span<double> predicted) const override {
    for (size_t i = 0; i < predicted.size(); ++i) {
      const double root = std::sqrt(mixtures.row(i)[column_] + 0.01);
      predicted[i] = stairs_ ? std::floor(10 * root) / 10 : root;
    }
  }
  std::vector<Forecast> forecast(const Points& mixtures) const override {
    std::vector<Forecast> forecasts;
    for (double mean : predict(mixtures)) forecasts.push_back({mean, uncertainty_, 0.5});
    return forecasts;
  }
  double slope(std::span<const double> mixture, std::span<double> gradient) const override {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    if (stairs_) return 0;
    const double root = std::sqrt(mixture[column_] + 0.01);
    gradient[column_] = 0.5 / root;
    return root;
  }
  bool smooth() const override { return !stairs_; }

 private:
  size_t column_;
  double uncertainty_;
  bool stairs_;
};

Points one(std::vector<double> row) {
  Points points(row.size());
  points.add(row);
  return points;
}

TEST(RankScale, IsTheShareOfScoresBelowAndGrowsOnBeyondTheBest) {
  std::vector<double> scores;
  Rng rng(1);
  for (int i = 0; i < 5000; ++i) scores.push_back(rng.normal());
  const RankScale rank(scores);
  for (const double x : {-1.5, -0.3, 0.0, 0.7, 1.8})
    EXPECT_NEAR(rank(x), 0.5 * std::erfc(-x / std::sqrt(2)), 0.02) << x;
  double before = rank(-6);
  for (double x = -6; x < 8; x += 0.05) {
    EXPECT_GE(rank(x), before) << x;
    before = rank(x);
    if (std::abs(x) > 2) continue;
    EXPECT_NEAR(rank.slope(x), (rank(x + 1e-6) - rank(x - 1e-6)) / 2e-6, 1e-4);
  }
  EXPECT_GT(rank(7), rank(5));
  EXPECT_GT(rank(5), 1);
}

TEST(RankScale, ConstantAndTiedScoresAreNoError) {
  const RankScale constant(std::vector<double>(10, 3.0));
  EXPECT_EQ(constant(5), 0.5);
  EXPECT_EQ(constant.slope(5), 0);
  const RankScale tied(std::vector<double>{0, 0, 0, 0, 0, 0, 1, 2});
  EXPECT_GT(tied(1), 0.5);
  EXPECT_LT(tied(1), tied(2));
}

TEST(PredictionGoal, IsTheWeightedSumOfOrientedPredictionsWithItsDerivatives) {
  const Root a(0, 0), b(1, 0);
  std::vector<double> ranked;
  for (int i = 0; i < 100; ++i) ranked.push_back(-0.012 * i);
  const Goal goal =
      goal_of({{.predictor = &a, .weight = 2},
               {.predictor = &b, .sign = -1, .weight = 0.5, .rank = RankScale(ranked)}});
  const std::vector<double> x = {0.3, 0.2, 0.5};
  const double expected = 2 * std::sqrt(0.31) + 0.5 * RankScale(ranked)(-std::sqrt(0.21));
  EXPECT_NEAR(goal.values(one(x))[0], expected, 1e-12);
  std::vector<double> gradient(3), unused(3);
  EXPECT_NEAR(goal.slope(x, gradient), expected, 1e-12);
  for (size_t j = 0; j < 3; ++j) {
    auto up = x, down = x;
    up[j] += 1e-6;
    down[j] -= 1e-6;
    EXPECT_NEAR(gradient[j], (goal.slope(up, unused) - goal.slope(down, unused)) / 2e-6, 1e-5);
  }
}

TEST(PredictionGoal, CautionTakesOffUncertaintyNotNoise) {
  const Root a(0, 0.3), b(1, 0.4);
  const std::vector<GoalTerm> terms = {{.predictor = &a, .weight = 1},
                                       {.predictor = &b, .weight = 1}};
  const auto x = one({0.5, 0.5});
  const auto forecast = forecast_goal(terms, x)[0];
  EXPECT_NEAR(forecast.mean, 2 * std::sqrt(0.51), 1e-12);
  EXPECT_NEAR(forecast.uncertainty, 0.5, 1e-12);
  EXPECT_NEAR(goal_of(terms, 2).values(x)[0], forecast.mean - 1, 1e-12);
}

TEST(PredictionGoal, FloorsAreLimitsWhereTheyHaveDerivatives) {
  const Root a(0, 0), stairs(1, 0, true);
  EXPECT_NEAR(floor_below(-2, 0.01), -2.02, 1e-12);
  const Goal goal = goal_of({{.predictor = &a, .weight = 1, .floor = 0.5},
                             {.predictor = &stairs, .weight = 0, .floor = 0.3}});
  EXPECT_EQ(goal.limits.size(), 1u);
  EXPECT_TRUE(std::isfinite(goal.values(one({0.5, 0.5}))[0]));
  EXPECT_FALSE(std::isfinite(goal.values(one({0.1, 0.9}))[0]));
  EXPECT_FALSE(std::isfinite(goal.values(one({0.95, 0.05}))[0]));
  std::vector<double> gradient(2);
  EXPECT_LT(goal.limits[0](std::vector<double>{0.5, 0.5}, gradient), 0);
  EXPECT_GT(goal.limits[0](std::vector<double>{0.1, 0.9}, gradient), 0);
}

TEST(PredictionGoal, SmoothMembersStandInForTheTreesOfAnEnsemble) {
  std::vector<std::unique_ptr<Predictor>> members;
  members.push_back(std::make_unique<Root>(0, 0));
  members.push_back(std::make_unique<Root>(0, 0, true));
  const auto ensemble = ensemble_of(std::move(members), {0.4, 0.6});
  std::vector<double> gradient(2), alone(2);
  const std::vector<double> x = {0.3, 0.7};
  EXPECT_NEAR(ensemble->slope(x, gradient), Root(0, 0).slope(x, alone), 1e-12);
  EXPECT_EQ(gradient, alone);
}

}  // namespace
}  // namespace demix
