#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(Multislerp, HasTheMeanDirectionAndTheMeanLength) {
  const Example example = {.shape = {2}, .models = {{2, 0}, {0, 4}}};
  const Values result = merged("multislerp", example, {{"weight", "1"}});
  EXPECT_NEAR(result[0], 3 / std::sqrt(2), 1e-6);
  EXPECT_NEAR(result[1], 3 / std::sqrt(2), 1e-6);
}

// The published recipe with its tangent step, in double precision.
TEST(Multislerp, TheTangentStepOfTheSourceChangesNothing) {
  const Example example = random_example(50, 41, 4);
  const std::vector<double> weights = {0.1, 0.2, 0.3, 0.4};
  const size_t n = example.base.size();
  std::vector<std::vector<double>> units(4, std::vector<double>(n));
  std::vector<double> mean(n, 0), tangent(n, 0);
  double mean_length = 0, direction = 0, step = 0;
  for (size_t k = 0; k < 4; ++k) {
    const Values update = difference(example.models[k], example.base);
    mean_length += weights[k] * length_of(update);
    for (size_t i = 0; i < n; ++i) units[k][i] = update[i] / length_of(update);
    for (size_t i = 0; i < n; ++i) mean[i] += weights[k] * units[k][i];
  }
  for (double x : mean) direction += x * x;
  for (double& x : mean) x /= std::sqrt(direction);
  for (size_t k = 0; k < 4; ++k) {
    double along = 0;
    for (size_t i = 0; i < n; ++i) along += units[k][i] * mean[i];
    for (size_t i = 0; i < n; ++i) tangent[i] += weights[k] * (units[k][i] - along * mean[i]);
  }
  for (double x : tangent) step += x * x;
  EXPECT_LT(std::sqrt(step), 1e-14);
  const Values result = merged("multislerp", example, {{"weight", "0.1,0.2,0.3,0.4"}});
  for (size_t i = 0; i < n; ++i) {
    ASSERT_NEAR(result[i], example.base[i] + mean_length * mean[i], 1e-6);
  }
}

TEST(Multislerp, DirectionsThatCancelOutAreMergedLinearlyOrRefused) {
  const Example two = {.shape = {3}, .models = {{1, 2, 2}, {-1, -2, -2}}};
  EXPECT_EQ(merged("multislerp", two, {{"weight", "1"}}), (Values{0, 0, 0}));
  const double side = std::sqrt(0.75);
  const Example three = {
      .shape = {2},
      .models = {{1, 0}, {-0.5, static_cast<float>(side)}, {-0.5, static_cast<float>(-side)}}};
  EXPECT_THROW(merged("multislerp", three, {{"weight", "1"}}), Error);
}

TEST(Multislerp, OneModelIsReturned) {
  const Example example = random_example(4, 5, 1);
  EXPECT_LT(
      largest_difference(merged("multislerp", example, {{"weight", "0.3"}}), example.models[0]),
      1e-6);
}

TEST(Multislerp, RefusesWeightsThatSumToZero) {
  EXPECT_THROW(merged("multislerp", random_example(4, 5, 2), {{"weight", "1,-1"}}), Error);
}

TEST(Multislerp, ALargeTensorDoesNotDependOnThreads) {
  Example example = random_example(300, 701, 3);
  const Values one = merged("multislerp", example, {{"weight", "0.2,0.5,0.3"}});
  example.threads = 4;
  EXPECT_EQ(merged("multislerp", example, {{"weight", "0.2,0.5,0.3"}}), one);
}

}  // namespace
}  // namespace demix
