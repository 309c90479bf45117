#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(Nearswap, TakesOverWhatIsNearAndMovesTheRestByT) {
  const Example example = {.shape = {4}, .base = {1, 1, 1, 1}, .models = {{1.25, 3, -1, 1}}};
  EXPECT_EQ(merged("nearswap", example, {{"t", "0.5"}}), (Values{1.25, 1.5, 0.5, 1}));
}

TEST(Nearswap, NeedsABaseAndOneModel) {
  EXPECT_THROW(merged("nearswap", {.shape = {1}, .models = {{1}}}, {{"t", "1"}}), Error);
  EXPECT_THROW(merged("nearswap", random_example(2, 3, 2), {{"t", "1"}}), Error);
  EXPECT_THROW(merged("nearswap", random_example(2, 3, 1), {}), Error);
}

}  // namespace
}  // namespace demix
