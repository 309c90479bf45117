#include <gtest/gtest.h>

#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(Ram, SharedPlacesAreAveragedAndUniqueOnesKept) {
  const Example example = {
      .shape = {4}, .base = {1, 1, 1, 1}, .models = {{2, 1, 3, 1}, {4, 1, 1, 1}, {1, 3, 5, 1}}};
  EXPECT_EQ(merged("ram", example, {}), (Values{3, 3, 4, 1}));
}

TEST(Ram, UpdatesUpToEpsilonAreNone) {
  const Example example = {.shape = {2}, .base = {0, 0}, .models = {{0.5, 2}, {4, 0.25}}};
  EXPECT_EQ(merged("ram", example, {{"epsilon", "0.5"}}), (Values{4, 2}));
}

}  // namespace
}  // namespace demix
