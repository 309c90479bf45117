#include "demix/evaluate/log_softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "demix/core/rng.h"

namespace demix {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double log_sum(const RunningSum& sum) { return sum.largest + std::log(double{sum.sum}); }

TEST(LogSoftmax, BlocksOfAnyWidthGiveTheLogOfTheSum) {
  Rng rng(1);
  std::vector<float> logits(2 * 100);
  for (float& logit : logits) logit = static_cast<float>(10 * rng.normal());
  double expected[2] = {};
  for (int row = 0; row < 2; ++row)
    for (int i = 0; i < 100; ++i) expected[row] += std::exp(double{logits[row * 100 + i]});
  for (int64_t width : {7, 16, 33, 100}) {
    std::vector<RunningSum> sums(2, {-kInfinity, 0});
    for (int64_t first = 0; first < 100; first += width)
      add_logits(logits.data() + first, std::min(width, 100 - first), 100, sums);
    for (int row = 0; row < 2; ++row)
      EXPECT_NEAR(log_sum(sums[row]), std::log(expected[row]), 3e-6);
  }
}

TEST(LogSoftmax, SmallLogitsBesideALargeOneAddNothing) {
  const std::vector<float> logits{1000, -1000, 999};
  std::vector<RunningSum> sums(1, {-kInfinity, 0});
  add_logits(logits.data(), 3, 3, sums);
  EXPECT_EQ(sums[0].largest, 1000);
  EXPECT_NEAR(sums[0].sum, 1 + std::exp(-1), 1e-6);
}

TEST(LogSoftmax, NonFiniteLogitsMakeTheSumNonFinite) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
    for (size_t place : {0, 17, 39}) {
      std::vector<float> logits(40, 1);
      logits[place] = bad;
      std::vector<RunningSum> sums(1, {-kInfinity, 0});
      add_logits(logits.data(), 40, 40, sums);
      EXPECT_FALSE(std::isfinite(log_sum(sums[0]))) << bad << " at " << place;
    }
  }
}

}  // namespace
}  // namespace demix
