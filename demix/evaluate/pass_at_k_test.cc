#include "demix/evaluate/pass_at_k.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

TEST(PassAtK, AtOneItIsTheShareThatPassed) {
  EXPECT_DOUBLE_EQ(pass_at_k(10, 3, 1), 0.3);
  EXPECT_DOUBLE_EQ(pass_at_k(1, 1, 1), 1);
  EXPECT_DOUBLE_EQ(pass_at_k(1, 0, 1), 0);
}

TEST(PassAtK, EqualsTheBinomialsByHand) {
  EXPECT_NEAR(pass_at_k(5, 2, 3), 1 - 1.0 / 10, 1e-15);    // C(3,3) / C(5,3)
  EXPECT_NEAR(pass_at_k(10, 4, 2), 1 - 15.0 / 45, 1e-15);  // C(6,2) / C(10,2)
  EXPECT_NEAR(pass_at_k(200, 1, 100), 0.5, 1e-12);         // k / n
  EXPECT_EQ(pass_at_k(10, 8, 3), 1);                       // only two can fail
}

TEST(PassAtK, IsTheShareOfAllDrawsThatHoldAPass) {
  const int n = 7, passed = 2, k = 3;  // programs 0 and 1 pass
  int draws = 0, hold = 0;
  for (int mask = 0; mask < 1 << n; ++mask) {
    if (__builtin_popcount(mask) != k) continue;
    ++draws;
    if (mask & ((1 << passed) - 1)) ++hold;
  }
  EXPECT_NEAR(pass_at_k(n, passed, k), static_cast<double>(hold) / draws, 1e-15);
}

TEST(PassAtK, CountsThatCannotBeAreRefused) {
  EXPECT_THROW(pass_at_k(3, 4, 1), Error);
  EXPECT_THROW(pass_at_k(3, -1, 1), Error);
  EXPECT_THROW(pass_at_k(3, 1, 4), Error);
  EXPECT_THROW(pass_at_k(3, 1, 0), Error);
}

}  // namespace
}  // namespace demix
