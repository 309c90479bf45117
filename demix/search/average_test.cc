#include "demix/search/average.h"

#include <gtest/gtest.h>

#include <cmath>

namespace demix {
namespace {

const Composition& two() {
  static const Composition composition = Composition::anchored({"web", "code"}, "", 0);
  return composition;
}

Points candidates(const std::vector<double>& webs) {
  Points points(2);
  for (const double web : webs) points.add(std::vector<double>{web, 1 - web});
  return points;
}

// How far from the middle: what lies between two corners is worse than both.
class Apart : public Predictor {
 public:
  using Predictor::predict;
  void fit(const Points&, std::span<const double>, std::span<const double>) override {}
  void predict(const Points& mixtures, std::span<double> predicted) const override {
    for (size_t i = 0; i < predicted.size(); ++i)
      predicted[i] = std::abs(mixtures.row(i)[0] - mixtures.row(i)[1]);
  }
  std::vector<Forecast> forecast(const Points& mixtures) const override {
    std::vector<Forecast> forecasts;
    for (double mean : predict(mixtures)) forecasts.push_back({mean, 0, 0});
    return forecasts;
  }
  double slope(std::span<const double>, std::span<double>) const override { return 0; }
  bool smooth() const override { return false; }
};

TEST(AverageOfBest, IsTheMeanOfTheBest) {
  const FeasibleSet feasible(two(), {});
  const std::vector<size_t> best = {1, 2};
  const Average average =
      average_of_best(goal_of({}), {}, feasible, candidates({0.9, 0.2, 0.4}), best);
  EXPECT_NEAR(average.mixture[0], 0.3, 1e-15);
  EXPECT_EQ(average.warning, "");
}

TEST(AverageOfBest, IsMovedTowardsTheBestUntilItKeepsTheFloorsThatAllOfThemKeep) {
  const Apart apart;
  const std::vector<GoalTerm> terms = {
      {.name = "spread", .predictor = &apart, .weight = 0, .deviation = 0.5, .floor = 0.6}};
  const FeasibleSet feasible(two(), {});
  const std::vector<size_t> best = {0, 1};
  const Average average =
      average_of_best(goal_of(terms), terms, feasible, candidates({0.9, 0.1}), best);
  EXPECT_GE(average.mixture[0], 0.8 - 1e-6);
  EXPECT_LE(average.mixture[0], 0.8 + 0.4 / 200 + 1e-6);
  EXPECT_EQ(average.warning,
            "The average of the best mixtures is predicted to miss the floor of spread (0.6) by "
            "0.6: it was moved 0.75 of the way to the best of them, where the floors hold.");
}

TEST(BrokenFloor, IsTheWorstOfTheMixtureThatMissesLeast) {
  const Apart apart;
  const std::vector<GoalTerm> terms = {
      {.name = "low", .predictor = &apart, .weight = 0, .deviation = 0.5, .floor = 0.9},
      {.name = "high", .predictor = &apart, .weight = 0, .deviation = 0.1, .floor = 0.95}};
  const BrokenFloor nearest = nearest_broken_floor(terms, candidates({0.5, 0.9, 0.2}));
  EXPECT_EQ(nearest.name, "high");
  EXPECT_NEAR(nearest.missed, 0.15, 1e-12);
  EXPECT_STREQ(no_mixture_keeps_floors(terms, candidates({0.9})).what(),
               "no mixture among 1 that meet the constraints keeps all floors: the nearest misses "
               "that of high (0.95) by 0.15");
}

TEST(Flat, IsAGoalThatNoTermMakesDiffer) {
  const Apart apart;
  const auto flat = [&](double weight, double deviation, const std::vector<double>& webs) {
    const std::vector<GoalTerm> terms = {
        {.name = "spread", .predictor = &apart, .weight = weight, .deviation = deviation}};
    return is_flat(terms, candidates(webs));
  };
  EXPECT_FALSE(flat(1, 0.5, {0.9, 0.2}));
  EXPECT_TRUE(flat(0, 0.5, {0.9, 0.2}));
  EXPECT_TRUE(flat(1, 0, {0.9, 0.2}));     // all measured scores are the same
  EXPECT_TRUE(flat(1, 1e3, {0.9, 0.2}));   // differs by far less than scores do
  EXPECT_TRUE(flat(1, 0.5, {0.9, 0.1}));   // as good as each other
  EXPECT_FALSE(flat(1, 0.5, {0.9, 0.9}));  // the only mixture there is
}

}  // namespace
}  // namespace demix
