#include <gtest/gtest.h>

#include <algorithm>

#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

const Example kTen = {
    .shape = {10}, .base = Values(10, 0.F), .models = {{10, -9, 8, -7, 6, -5, 4, -3, 2, -1}}};

TEST(Breadcrumbs, DropsTheLargestAndTheSmallest) {
  EXPECT_EQ(merged("breadcrumbs", kTen, {{"weight", "1"}, {"density", "0.5"}, {"gamma", "0.2"}}),
            (Values{0, 0, 8, -7, 6, -5, 4, 0, 0, 0}));
}

TEST(Breadcrumbs, GammaGivesWayToTheDensity) {
  EXPECT_EQ(merged("breadcrumbs", kTen, {{"weight", "1"}, {"density", "0.7"}, {"gamma", "0.5"}}),
            (Values{0, 0, 0, -7, 6, -5, 4, -3, 2, -1}));
  EXPECT_EQ(merged("breadcrumbs", kTen, {{"weight", "1"}, {"gamma", "0.5"}}), kTen.models[0]);
}

TEST(Breadcrumbs, DensityZeroGivesTheBase) {
  EXPECT_EQ(merged("breadcrumbs", kTen, {{"weight", "1"}, {"density", "0"}}), kTen.base);
}

TEST(Breadcrumbs, ATensorOfManyPartsKeepsExactlyItsShare) {
  Example example = random_example(300, 701, 2);
  std::ranges::fill(example.base, 0.F);
  for (float& value : example.models[1]) value = std::round(value * 20) / 32;  // equal magnitudes
  const Settings settings = {{"weight", "1,0"}, {"density", "0.3"}, {"gamma", "0.05"}};
  const int64_t count = static_cast<int64_t>(example.base.size());
  const Values first = merged("breadcrumbs", example, settings);
  EXPECT_EQ(count - std::ranges::count(first, 0.F), static_cast<int64_t>(0.3 * count));
  const Values second =
      merged("breadcrumbs", example, {{"weight", "0,1"}, {"density", "0.3"}, {"gamma", "0.05"}});
  EXPECT_EQ(count - std::ranges::count(second, 0.F), static_cast<int64_t>(0.3 * count));
  example.threads = 3;
  EXPECT_EQ(merged("breadcrumbs", example, settings), first);
}

}  // namespace
}  // namespace demix
