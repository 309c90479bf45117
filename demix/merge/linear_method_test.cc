#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(LinearMethod, WeightsAreDividedByTheirSum) {
  const Example example = {.shape = {2}, .models = {{1, 2}, {3, 6}}};
  EXPECT_EQ(merged("linear", example, {{"weight", "3,1"}}), (Values{1.5, 3}));
  EXPECT_EQ(merged("linear", example, {{"weight", "-1,2"}}), (Values{5, 10}));
}

TEST(LinearMethod, WithoutNormalisationWeightsAreUsedAsTheyAre) {
  const Example example = {.shape = {2}, .models = {{1, 2}, {3, 6}}};
  EXPECT_EQ(merged("linear", example, {{"weight", "3,1"}, {"normalize", "false"}}),
            (Values{6, 12}));
}

TEST(LinearMethod, LambdaScalesTheUpdates) {
  const Example example = {.shape = {2}, .base = {1, 1}, .models = {{3, 1}, {1, 5}}};
  // Updates (2, 0) and (0, 4), weights ¼ and ¾, λ = 2.
  EXPECT_EQ(merged("linear", example, {{"weight", "1,3"}, {"lambda", "2"}}), (Values{2, 7}));
  EXPECT_EQ(merged("linear", example, {{"weight", "1,3"}, {"lambda", "0"}}), example.base);
}

TEST(LinearMethod, ATensorOfManyPartsIsMergedWhole) {
  Example example = random_example(300, 701, 3);
  const Values one = merged("linear", example, {{"weight", "0.2,0.5,0.3"}});
  for (size_t i = 0; i < one.size(); ++i) {
    const double expected =
        0.2 * example.models[0][i] + 0.5 * example.models[1][i] + 0.3 * example.models[2][i];
    ASSERT_NEAR(one[i], expected, 1e-6 * std::max(1.0, std::abs(expected)));
  }
  example.threads = 4;
  EXPECT_EQ(merged("linear", example, {{"weight", "0.2,0.5,0.3"}}), one);
}

TEST(LinearMethod, AThousandModelsAreMerged) {
  Example example = {.shape = {3}};
  for (int k = 0; k < 1000; ++k) example.models.push_back({static_cast<float>(k), 1, -1});
  const Values result = merged("linear", example, {{"weight", "1"}});
  EXPECT_NEAR(result[0], 499.5, 1e-3);
  EXPECT_NEAR(result[1], 1, 1e-5);
}

TEST(LinearMethod, ANanStaysInItsPlace) {
  const Example example = {.shape = {2}, .models = {{1, 2}, {NAN, 6}}};
  const Values result = merged("linear", example, {{"weight", "0.5"}});
  EXPECT_TRUE(std::isnan(result[0]));
  EXPECT_EQ(result[1], 4);
}

TEST(LinearMethod, RefusesWeightsThatCannotBeNormalisedAndScalesWithoutBase) {
  const Example example = {.shape = {2}, .models = {{1, 2}, {3, 6}}};
  EXPECT_THROW(merged("linear", example, {{"weight", "1,-1"}}), Error);
  EXPECT_THROW(merged("linear", example, {{"weight", "0,0"}}), Error);
  EXPECT_THROW(merged("linear", example, {{"weight", "1,1"}, {"lambda", "0.5"}}), Error);
  EXPECT_THROW(merged("linear", example, {}), Error);
}

TEST(LinearMethod, EffectiveWeightsAreThoseOfTheSum) {
  const MergeMethod& method = find_merge_method("linear");
  const MergeParameters parameters = settings_of(method, 2, {{"weight", "3,1"}, {"lambda", "0.5"}});
  EXPECT_EQ(method.effective_weights(parameters), (std::vector<double>{0.375, 0.125}));
}

}  // namespace
}  // namespace demix
