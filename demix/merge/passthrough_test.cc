#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(Passthrough, ReturnsOrScalesTheModel) {
  const Example example = {.shape = {2}, .models = {{1, -2}}};
  EXPECT_EQ(merged("passthrough", example, {}), (Values{1, -2}));
  EXPECT_EQ(merged("passthrough", example, {{"scale", "0.5"}}), (Values{0.5, -1}));
}

TEST(Passthrough, TakesOneModel) {
  EXPECT_THROW(merged("passthrough", random_example(2, 3, 2), {}), Error);
}

}  // namespace
}  // namespace demix
