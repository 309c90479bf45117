#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(ModelStock, ModelsThatAgreeGiveTheirMeanAndOrthogonalOnesTheBase) {
  const Example same = {.shape = {2}, .base = {1, 1}, .models = {{3, 1}, {3, 1}}};
  EXPECT_EQ(merged("model_stock", same, {}), (Values{3, 1}));
  const Example orthogonal = {.shape = {2}, .base = {1, 1}, .models = {{3, 1}, {1, 3}}};
  EXPECT_EQ(merged("model_stock", orthogonal, {}), (Values{1, 1}));
}

TEST(ModelStock, TheAngleDecidesHowFarFromTheBase) {
  // Updates (1, 0) and (½, √¾): cos 60°, t = 2 · ½ / 1½.
  const float height = std::sqrt(0.75F);
  const Example example = {.shape = {2}, .base = {1, 1}, .models = {{2, 1}, {1.5, 1 + height}}};
  const Values result = merged("model_stock", example, {});
  EXPECT_NEAR(result[0], 1 + 2.0 / 3 * 0.75, 1e-6);
  EXPECT_NEAR(result[1], 1 + 2.0 / 3 * height / 2, 1e-6);
}

TEST(ModelStock, FilterWiseEachRowHasItsOwnAngle) {
  const Example example = {
      .shape = {2, 2}, .base = {0, 0, 0, 0}, .models = {{1, 0, 1, 0}, {1, 0, 0, 1}}};
  EXPECT_EQ(merged("model_stock", example, {{"filter_wise", "true"}}), (Values{1, 0, 0, 0}));
}

TEST(ModelStock, OppositeUpdatesGiveTheBase) {
  const Example example = {.shape = {2}, .base = {1, 1}, .models = {{2, 3}, {0, -1}}};
  EXPECT_EQ(merged("model_stock", example, {}), example.base);
}

TEST(ModelStock, NeedsTwoModelsAndABaseAndTakesNoWeights) {
  EXPECT_THROW(merged("model_stock", random_example(2, 3, 1), {}), Error);
  EXPECT_THROW(merged("model_stock", {.shape = {1}, .models = {{1}, {2}}}, {}), Error);
  EXPECT_THROW(merged("model_stock", random_example(2, 3, 2), {{"weight", "1"}}), Error);
}

}  // namespace
}  // namespace demix
