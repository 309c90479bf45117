#include "demix/search/optimum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "demix/core/error.h"
#include "demix/core/rng.h"

namespace demix {
namespace {

const std::vector<std::string> kNames = {"a", "b", "c", "d"};

FeasibleSet set_of(const ConstraintConfig& config = {.max_times_prior = 0}) {
  const Composition plain = Composition::anchored(kNames, "a", 0);
  return FeasibleSet(plain, share_constraints(config, plain, std::vector<double>(4, 1), {}, 0));
}

Points starts(size_t count) {
  Rng rng(1);
  Points points(4);
  for (size_t i = 0; i < count; ++i) points.add(rng.dirichlet(std::vector<double>(4, 1.0)));
  return points;
}

// Σ w_i log(p_i + 0.01): the optimum is p_i = w_i / μ - 0.01.
constexpr double kWeights[] = {0.5, 0.3, 0.15, 0.05};

double log_utility(std::span<const double> p, std::span<double> gradient) {
  double value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value += kWeights[i] * std::log(p[i] + 0.01);
    gradient[i] = kWeights[i] / (p[i] + 0.01);
  }
  return value;
}

Goal goal_of(SmoothFunction slope) {
  return {.values =
              [slope](const Points& points) {
                std::vector<double> values, unused(points.columns());
                for (size_t i = 0; i < points.rows(); ++i)
                  values.push_back(slope(points.row(i), unused));
                return values;
              },
          .slope = slope,
          .limits = {}};
}

TEST(Optimum, ALogUtilityHasItsOptimumAtItsWeights) {
  const auto optimum = maximise(goal_of(log_utility), set_of(), starts(5));
  for (size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(optimum.merge_weights[i], 1.04 * kWeights[i] - 0.01, 2e-4);
  EXPECT_EQ(optimum.starts, 5);
  EXPECT_EQ(optimum.agreed, 5);
}

TEST(Optimum, ConstraintsBindAndTheRestFollows) {
  ConstraintConfig config{.max_times_prior = 0};
  config.max_share = {{"a", 0.3}};
  config.groups["cd"] = {.datasets = {"c", "d"}, .min_share = 0.4};
  const FeasibleSet set = set_of(config);
  const auto optimum = maximise(goal_of(log_utility), set, starts(5));
  EXPECT_TRUE(set.contains(optimum.merge_weights));
  EXPECT_NEAR(optimum.merge_weights[0], 0.3, 1e-6);
  EXPECT_NEAR(optimum.merge_weights[1], 0.3, 1e-4);
  EXPECT_NEAR(optimum.merge_weights[2], 0.75 * 0.42 - 0.01, 5e-4);
}

TEST(Optimum, OfTwoHillsTheHigherIsFoundFromManyStarts) {
  const SmoothFunction hills = [](std::span<const double> p, std::span<double> gradient) {
    double value = 0;
    std::fill(gradient.begin(), gradient.end(), 0.0);
    const double centres[2][4] = {{0.7, 0.1, 0.1, 0.1}, {0.05, 0.05, 0.1, 0.8}};
    for (int h = 0; h < 2; ++h) {
      double squared = 0;
      for (size_t i = 0; i < 4; ++i) squared += std::pow(p[i] - centres[h][i], 2);
      const double hill = (1 + 0.1 * h) * std::exp(-squared / 0.08);
      value += hill;
      for (size_t i = 0; i < 4; ++i) gradient[i] -= hill * (p[i] - centres[h][i]) / 0.04;
    }
    return value;
  };
  const auto optimum = maximise(goal_of(hills), set_of(), starts(20));
  EXPECT_NEAR(optimum.merge_weights[3], 0.8, 0.01);
  EXPECT_GT(optimum.starts, optimum.agreed);
}

TEST(Optimum, AStaircaseWithoutSlopesIsClimbedByMoves) {
  const Goal goal{.values =
                      [](const Points& points) {
                        std::vector<double> values;
                        for (size_t i = 0; i < points.rows(); ++i)
                          values.push_back(std::floor(20 * points.row(i)[1]));
                        return values;
                      },
                  .slope =
                      [](std::span<const double>, std::span<double> gradient) {
                        std::fill(gradient.begin(), gradient.end(), 0.0);
                        return 0.0;
                      },
                  .limits = {}};
  ConstraintConfig config{.max_times_prior = 0};
  config.max_share = {{"b", 0.62}};
  EXPECT_EQ(maximise(goal, set_of(config), starts(5)).value, 12);
}

TEST(Optimum, ClimbsAgreeOnWhatTheyClimbAndMovesFindTheStairsOfTrees) {
  // Stairs of a tenth of the height, as an ensemble with trees has them.
  Goal goal = goal_of(log_utility);
  const auto plain = goal.values;
  goal.values = [plain](const Points& points) {
    auto values = plain(points);
    for (size_t i = 0; i < points.rows(); ++i)
      values[i] += 0.05 * std::floor(20 * points.row(i)[1] + 0.3);
    return values;
  };
  const auto optimum = maximise(goal, set_of(), starts(8));
  EXPECT_EQ(optimum.starts, 8);
  EXPECT_EQ(optimum.agreed, 8);
  EXPECT_FALSE(optimum.smooth);
  EXPECT_GT(optimum.by_moves, 0.03);

  const auto smooth = maximise(goal_of(log_utility), set_of(), starts(8));
  EXPECT_TRUE(smooth.smooth);
  EXPECT_LT(smooth.by_moves, 1e-4);
}

TEST(Optimum, CurvedLimitsHold) {
  // As much of a as leaves d's utility at least log(0.2 + 0.01).
  const SmoothFunction share_of_a = [](std::span<const double> p, std::span<double> gradient) {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    gradient[0] = 1;
    return p[0];
  };
  Goal goal = goal_of(share_of_a);
  goal.limits.push_back([](std::span<const double> p, std::span<double> gradient) {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    gradient[3] = -1 / (p[3] + 0.01);
    return std::log(0.21) - std::log(p[3] + 0.01);
  });
  const auto plain = goal.values;
  goal.values = [&](const Points& points) {
    auto values = plain(points);
    for (size_t i = 0; i < points.rows(); ++i) {
      if (points.row(i)[3] < 0.2 - 1e-7) values[i] = -std::numeric_limits<double>::infinity();
    }
    return values;
  };
  Points some = starts(5);
  some.add(std::vector<double>{0.1, 0.1, 0.1, 0.7});
  const auto optimum = maximise(goal, set_of(), some);
  EXPECT_NEAR(optimum.merge_weights[0], 0.8, 2e-3);
  EXPECT_GE(optimum.merge_weights[3], 0.2 - 1e-7);

  goal.values = [](const Points& points) {
    return std::vector<double>(points.rows(), -std::numeric_limits<double>::infinity());
  };
  EXPECT_THROW(maximise(goal, set_of(), some), Error);
}

TEST(Optimum, TheBestApartAreInOrderAndFarFromEachOther) {
  Points points(2);
  for (double a : {0.1, 0.11, 0.5, 0.9}) points.add(std::vector<double>{a, 1 - a});
  EXPECT_EQ(best_apart(points, std::vector<double>{2, 3, 1, 4}, 3, 0.1),
            (std::vector<size_t>{3, 1, 2}));
}

}  // namespace
}  // namespace demix
