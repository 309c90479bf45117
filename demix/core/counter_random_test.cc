#include "demix/core/counter_random.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

namespace demix {
namespace {

std::vector<uint32_t> words(uint64_t key, int64_t begin, int64_t size) {
  std::vector<uint32_t> result(size);
  random_words(key, begin, size, result.data());
  return result;
}

TEST(CounterRandom, IsSplitMix64) {
  // The generator's published first outputs for seed 1234567: 6457827717110365317,
  // 3203168211198807973.
  const std::vector<uint32_t> drawn = words(1234567, 0, 4);
  EXPECT_EQ(drawn[0] | uint64_t{drawn[1]} << 32, 6457827717110365317U);
  EXPECT_EQ(drawn[2] | uint64_t{drawn[3]} << 32, 3203168211198807973U);
}

TEST(CounterRandom, APieceIsWhatTheWholeHoldsThere) {
  const std::vector<uint32_t> whole = words(99, 0, 3000);
  for (int64_t begin : {0, 1, 2, 7, 1023, 1024}) {
    for (int64_t size : {0, 1, 2, 3, 500, 1023, 1024, 1025, 1900}) {
      const std::vector<uint32_t> expected(whole.begin() + begin, whole.begin() + begin + size);
      EXPECT_EQ(words(99, begin, size), expected) << begin << " " << size;
    }
  }
}

TEST(CounterRandom, EveryBitIsSetHalfOfTheTimeAndStreamsDiffer) {
  constexpr int64_t kCount = 100'000;
  const std::vector<uint32_t> a = words(1, 0, kCount), b = words(2, 0, kCount);
  // Five standard deviations of a fair coin.
  const double bound = 5 * std::sqrt(kCount) / 2;
  for (int bit = 0; bit < 32; ++bit) {
    int64_t set = 0;
    for (uint32_t word : a) set += (word >> bit) & 1;
    EXPECT_NEAR(static_cast<double>(set), kCount / 2.0, bound) << bit;
  }
  int64_t equal_bits = 0;
  for (int64_t i = 0; i < kCount; ++i) equal_bits += 32 - std::popcount(a[i] ^ b[i]);
  EXPECT_NEAR(static_cast<double>(equal_bits), 16.0 * kCount, bound * std::sqrt(32));
}

}  // namespace
}  // namespace demix
