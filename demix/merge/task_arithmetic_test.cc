#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(TaskArithmetic, AddsWeightedUpdatesToTheBase) {
  const Example example = {.shape = {3}, .base = {1, 1, 1}, .models = {{2, 1, 0}, {1, 3, -1}}};
  // Updates (1, 0, −1) and (0, 2, −2).
  EXPECT_EQ(merged("task_arithmetic", example, {{"weight", "0.5,2"}}), (Values{1.5, 5, -3.5}));
  EXPECT_EQ(merged("task_arithmetic", example, {{"weight", "0.5,2"}, {"lambda", "0.5"}}),
            (Values{1.25, 3, -1.25}));
}

TEST(TaskArithmetic, NormalisedWeightsAreDividedByTheirSumUnlessItIsZero) {
  const Example example = {.shape = {2}, .base = {1, 1}, .models = {{2, 1}, {1, 3}}};
  EXPECT_EQ(merged("task_arithmetic", example, {{"weight", "1,3"}, {"normalize", "true"}}),
            (Values{1.25, 2.5}));
  EXPECT_EQ(merged("task_arithmetic", example, {{"weight", "1,-1"}, {"normalize", "true"}}),
            (Values{2, -1}));
}

TEST(TaskArithmetic, ATensorOfManyPartsIsMergedWhole) {
  Example example = random_example(300, 701, 3);
  const Values one = merged("task_arithmetic", example, {{"weight", "0.7,-0.5,1.3"}});
  for (size_t i = 0; i < one.size(); ++i) {
    const double base = example.base[i];
    const double expected = base + 0.7 * (example.models[0][i] - base) -
                            0.5 * (example.models[1][i] - base) +
                            1.3 * (example.models[2][i] - base);
    ASSERT_NEAR(one[i], expected, 1e-6 * std::max(1.0, std::abs(expected)));
  }
  example.threads = 3;
  EXPECT_EQ(merged("task_arithmetic", example, {{"weight", "0.7,-0.5,1.3"}}), one);
}

TEST(TaskArithmetic, AllWeightsZeroGiveTheBase) {
  const Example example = random_example(5, 7, 2);
  EXPECT_EQ(merged("task_arithmetic", example, {{"weight", "0"}}), example.base);
}

TEST(TaskArithmetic, NeedsABase) {
  EXPECT_THROW(merged("task_arithmetic", {.shape = {1}, .models = {{1}, {2}}}, {{"weight", "1"}}),
               Error);
}

}  // namespace
}  // namespace demix
