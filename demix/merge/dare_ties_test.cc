#include <gtest/gtest.h>

#include <algorithm>

#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(DareTies, WhatIsDroppedDoesNotVote) {
  // Updates 1 and −3: the sign is the second's wherever it is kept.
  constexpr int64_t kCount = 40'000;
  const Example example = {.shape = {kCount},
                           .base = Values(kCount, 0.F),
                           .models = {Values(kCount, 1.F), Values(kCount, -3.F)}};
  const Values result =
      merged("dare_ties", example, {{"weight", "1"}, {"density", "0.5"}, {"rescale", "false"}});
  const auto share = [&](float value) {
    return static_cast<double>(std::ranges::count(result, value)) / kCount;
  };
  EXPECT_NEAR(share(-3), 0.5, 0.0125);
  EXPECT_NEAR(share(1), 0.25, 0.011);
  EXPECT_NEAR(share(0), 0.25, 0.011);
}

TEST(DareTies, DensityOneIsTiesWithoutTrimming) {
  const Example example = random_example(30, 21, 3);
  EXPECT_EQ(merged("dare_ties", example, {{"weight", "0.5,0.2,0.3"}}),
            merged("ties", example, {{"weight", "0.5,0.2,0.3"}, {"normalize", "false"}}));
  EXPECT_EQ(merged("dare_ties", example, {{"weight", "0.5,0.2,0.3"}, {"normalize", "true"}}),
            merged("ties", example, {{"weight", "0.5,0.2,0.3"}}));
}

TEST(DareTies, OneModelIsDareLinear) {
  const Example example = random_example(30, 21, 1);
  const Settings settings = {{"weight", "0.5"}, {"density", "0.3"}};
  EXPECT_EQ(merged("dare_ties", example, settings), merged("dare_linear", example, settings));
}

}  // namespace
}  // namespace demix
