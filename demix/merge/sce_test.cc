#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(Sce, SelectsCalculatesAndErases) {
  const Example example = {
      .shape = {4}, .base = {1, 0, 0, 0}, .models = {{3, 0, 1, 0.5}, {1, -3, 2, 0.5}}};
  // Variances over the models: 1, 2.25, 0.25, 0. Half of the three that are not zero is one place,
  // the second; the third of them adds the first. Mean squares there: 4/4 and 9/4.
  EXPECT_EQ(merged("sce", example, {{"select_topk", "0.5"}}), (Values{1, -3, 0, 0}));
  const Values two = merged("sce", example, {{"select_topk", "0.7"}});
  EXPECT_EQ(two, (Values{3, -3, 0, 0}));
  // All places: squares 4 + 1 + ¼ and 9 + 4 + ¼, so 5.25 : 13.25.
  const Values all = merged("sce", example, {});
  EXPECT_NEAR(all[2], (5.25 * 1 + 13.25 * 2) / 18.5, 1e-6);
  EXPECT_NEAR(all[3], 0.5, 1e-6);
}

TEST(Sce, TheSignOfTheSumWins) {
  const Example example = {.shape = {2}, .base = {0, 0}, .models = {{3, 2}, {-1, 2}}};
  EXPECT_LT(largest_difference(merged("sce", example, {}), {3, 2}), 1e-6);
}

TEST(Sce, SmallUpdatesCountTheSameUnlessAskedOtherwise) {
  const float tiny = 0x1p-12F;
  const Example example = {.shape = {1}, .base = {0}, .models = {{tiny}, {3 * tiny}}};
  EXPECT_EQ(merged("sce", example, {}), (Values{2 * tiny}));
  // Shares 1 : 9.
  EXPECT_NEAR(merged("sce", example, {{"equal_below", "0"}})[0] / tiny, 2.8, 1e-6);
}

TEST(Sce, NothingSelectedGivesTheBase) {
  const Example example = random_example(3, 5, 2);
  EXPECT_EQ(merged("sce", example, {{"select_topk", "0"}}), example.base);
  EXPECT_EQ(merged("sce", example, {{"select_topk", "0.01"}}), example.base);
  const Example same = {.shape = {2}, .base = {0, 0}, .models = {{1, 1}, {1, 1}}};
  EXPECT_EQ(merged("sce", same, {{"select_topk", "0.5"}}), same.base);
}

TEST(Sce, ATensorOfManyPartsSelectsExactlyItsShare) {
  Example example = random_example(300, 701, 3);
  const Settings settings = {{"select_topk", "0.25"}};
  const Values one = merged("sce", example, settings);
  int64_t changed = 0;
  for (size_t i = 0; i < one.size(); ++i) changed += one[i] != example.base[i];
  EXPECT_NEAR(static_cast<double>(changed), 0.25 * 300 * 701, 10);
  example.threads = 4;
  EXPECT_EQ(merged("sce", example, settings), one);
}

TEST(Sce, TakesNoWeights) {
  EXPECT_THROW(merged("sce", random_example(2, 3, 2), {{"weight", "1"}}), Error);
}

}  // namespace
}  // namespace demix
