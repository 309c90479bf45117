#include "demix/core/minimise.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"

namespace demix {
namespace {

double rosenbrock(std::span<const double> x, std::span<double> gradient) {
  const double a = 1 - x[0], b = x[1] - x[0] * x[0];
  gradient[0] = -2 * a - 400 * x[0] * b;
  gradient[1] = 200 * b;
  return a * a + 100 * b * b;
}

TEST(Minimise, FindsTheBottomOfRosenbrocksValley) {
  const auto minimum = minimise(rosenbrock, std::vector<double>{-1.2, 1});
  EXPECT_NEAR(minimum.x[0], 1, 1e-4);
  EXPECT_NEAR(minimum.x[1], 1, 1e-4);
  EXPECT_LT(minimum.evaluations, 200);
}

TEST(Minimise, BoundsHoldAndAStartOutsideThemIsMovedInside) {
  const std::vector<double> lower = {-2, -2}, upper = {0.5, 2};
  const auto minimum =
      minimise(rosenbrock, std::vector<double>{3, 3}, {.lower = lower, .upper = upper});
  EXPECT_NEAR(minimum.x[0], 0.5, 1e-6);
  EXPECT_NEAR(minimum.x[1], 0.25, 1e-4);
}

TEST(Minimise, OnTheSimplexTheCrossEntropyIsSmallestAtItsTarget) {
  // -Σ t_i log x_i over Σ x = 1 has its minimum at t; with x_0 >= 0.5 the rest keeps its ratio.
  const std::vector<double> target = {0.2, 0.3, 0.5};
  const SmoothFunction cross_entropy = [&](std::span<const double> x, std::span<double> gradient) {
    double value = 0;
    for (size_t i = 0; i < 3; ++i) {
      value -= target[i] * std::log(x[i]);
      gradient[i] = -target[i] / x[i];
    }
    return value;
  };
  const std::vector<double> lower(3, 1e-6), third(3, 1.0 / 3);
  std::vector<LinearConstraint> constraints = {{{1, 1, 1}, 1, true}};
  auto minimum = minimise(cross_entropy, third, {.lower = lower, .constraints = constraints});
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(minimum.x[i], target[i], 1e-4);
  constraints.push_back({{1, 0, 0}, 0.5});
  minimum = minimise(cross_entropy, third, {.lower = lower, .constraints = constraints});
  EXPECT_NEAR(minimum.x[0], 0.5, 1e-8);
  EXPECT_NEAR(minimum.x[1], 0.1875, 1e-4);
}

TEST(Minimise, EqualitiesMayFollowFromEachOtherAndLeaveOnePoint) {
  std::vector<LinearConstraint> constraints = {
      {{1, 1}, 1, true}, {{1, 0}, 0}, {{2, 2}, 2, true}, {{1, 1}, 1, true}};
  EXPECT_EQ(without_dependent_equalities(constraints).size(), 2u);
  const std::vector<double> start = {0.2, 0.2};
  auto minimum = minimise(rosenbrock, start, {.constraints = constraints});
  EXPECT_NEAR(minimum.x[0] + minimum.x[1], 1, 1e-8);
  EXPECT_NEAR(minimum.x[0], 0.6188, 1e-3);  // of 100 (1 - x - x²)² + (1 - x)²
  constraints.push_back({{0, 1}, 0.25, true});
  minimum = minimise(rosenbrock, start, {.constraints = constraints});
  EXPECT_NEAR(minimum.x[0], 0.75, 1e-12);
  std::vector<double> unused(2);
  EXPECT_NEAR(minimum.value, rosenbrock(minimum.x, unused), 1e-12);
}

TEST(Minimise, ConstraintsMayBeCurved) {
  // The point of the unit disc that is lowest along (1, 1).
  const SmoothFunction sum = [](std::span<const double> x, std::span<double> gradient) {
    gradient[0] = gradient[1] = 1;
    return x[0] + x[1];
  };
  const std::vector<SmoothFunction> disc = {
      [](std::span<const double> x, std::span<double> gradient) {
        gradient[0] = 2 * x[0];
        gradient[1] = 2 * x[1];
        return x[0] * x[0] + x[1] * x[1] - 1;
      }};
  const auto minimum = minimise(sum, std::vector<double>{0.1, 0.3}, {.at_most_zero = disc});
  EXPECT_NEAR(minimum.x[0], -std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(minimum.x[1], -std::sqrt(0.5), 1e-6);
}

TEST(Minimise, ValuesThatAreNotFiniteAreAvoidedAndErrorsComeThrough) {
  const SmoothFunction barrier = [](std::span<const double> x, std::span<double> gradient) {
    gradient[0] = 1 - 1 / x[0];
    return x[0] > 0 ? x[0] - std::log(x[0]) : std::numeric_limits<double>::quiet_NaN();
  };
  EXPECT_NEAR(minimise(barrier, std::vector<double>{0.05}).x[0], 1, 1e-3);
  const SmoothFunction broken = [](std::span<const double>, std::span<double>) -> double {
    throw Error("broken");
  };
  EXPECT_THROW(minimise(broken, std::vector<double>{1}), Error);
}

TEST(ParallelFor, EveryPieceIsDoneOnceAndAnErrorEndsIt) {
  std::vector<std::atomic<int>> done(100);
  parallel_for(done.size(), 3, [&](size_t i) { ++done[i]; });
  for (const auto& count : done) EXPECT_EQ(count, 1);
  EXPECT_THROW(parallel_for(100,
                            3,
                            [](size_t i) {
                              if (i == 7) throw Error("seven");
                            }),
               Error);
  parallel_for(0, 3, [](size_t) { FAIL(); });
}

}  // namespace
}  // namespace demix
