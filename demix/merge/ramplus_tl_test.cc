#include <gtest/gtest.h>

#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(RamplusTl, UniquePlacesOfModelsThatShareMuchCountMore) {
  // The first model changes two places with the second and one alone, the second none alone.
  const Example example = {.shape = {3}, .base = {0, 0, 0}, .models = {{2, 2, 2}, {4, 4, 0}}};
  // f = 1 + 0.5 · min(4, 2 / 1), then with α = 0.2.
  EXPECT_EQ(merged("ramplus_tl", example, {{"r", "0.5"}, {"alpha", "4"}}), (Values{3, 3, 4}));
  EXPECT_LT(largest_difference(merged("ramplus_tl", example, {{"r", "0.5"}}), {3, 3, 2.2F}), 1e-6);
  EXPECT_EQ(merged("ramplus_tl", example, {{"r", "0"}}), merged("ram", example, {}));
}

TEST(RamplusTl, ATensorOfManyPartsDoesNotDependOnThreads) {
  Example example = random_example(300, 701, 3);
  const Values one = merged("ramplus_tl", example, {{"epsilon", "0.1"}});
  example.threads = 3;
  EXPECT_EQ(merged("ramplus_tl", example, {{"epsilon", "0.1"}}), one);
}

}  // namespace
}  // namespace demix
