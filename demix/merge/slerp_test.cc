#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(Slerp, GoesAlongTheArc) {
  const Example right_angle = {.shape = {2}, .base = {1, 0}, .models = {{0, 1}}};
  const Values third = merged("slerp", right_angle, {{"t", "0.333333333333"}});
  EXPECT_NEAR(third[0], std::cos(M_PI / 6), 1e-6);
  EXPECT_NEAR(third[1], std::sin(M_PI / 6), 1e-6);
}

TEST(Slerp, ReachesBothEnds) {
  const Example example = random_example(20, 31, 1);
  EXPECT_EQ(merged("slerp", example, {{"t", "0"}}), example.base);
  EXPECT_EQ(merged("slerp", example, {{"t", "1"}}), example.models[0]);
}

TEST(Slerp, OfTwoModelsLeavesTheBaseOut) {
  Example two = random_example(20, 31, 2);
  const Example from_first = {.shape = two.shape, .base = two.models[0], .models = {two.models[1]}};
  const Values expected = merged("slerp", from_first, {{"t", "0.3"}});
  EXPECT_EQ(merged("slerp", two, {{"t", "0.3"}}), expected);
  two.base.clear();
  EXPECT_EQ(merged("slerp", two, {{"t", "0.3"}}), expected);
}

TEST(Slerp, ParallelModelsAreInterpolatedLinearly) {
  const Example example = {.shape = {2}, .base = {1, 2}, .models = {{3, 6}}};
  EXPECT_EQ(merged("slerp", example, {{"t", "0.5"}}), (Values{2, 4}));
}

TEST(Slerp, ALargeTensorKeepsItsDirectionBetweenTheEnds) {
  Example example = random_example(300, 701, 1);
  example.models[0] = normal_values(300 * 701, 55);
  const Values result = merged("slerp", example, {{"t", "0.25"}});
  const double whole = std::acos(cosine_of(example.base, example.models[0]));
  const Values& end = example.models[0];
  // Equal lengths here, so that the angle is divided as t says.
  EXPECT_NEAR(std::acos(cosine_of(result, example.base)), 0.25 * whole, 3e-3);
  EXPECT_NEAR(std::acos(cosine_of(result, end)), 0.75 * whole, 3e-3);
  example.threads = 3;
  EXPECT_EQ(merged("slerp", example, {{"t", "0.25"}}), result);
}

TEST(Slerp, NeedsTAndTwoEnds) {
  Example example = random_example(2, 3, 1);
  EXPECT_THROW(merged("slerp", example, {}), Error);
  example.base.clear();
  EXPECT_THROW(merged("slerp", example, {{"t", "0.5"}}), Error);
  EXPECT_THROW(merged("slerp", random_example(2, 3, 3), {{"t", "0.5"}}), Error);
}

}  // namespace
}  // namespace demix
