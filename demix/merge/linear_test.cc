#include "demix/merge/linear.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "demix/core/rng.h"

namespace demix {
namespace {

std::vector<float> draws(int64_t count, int seed) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

uint16_t bits_of(float x) { return std::bit_cast<uint32_t>(x) >> 16; }

TEST(Linear, EqualsTheDefinitionInDoublePrecision) {
  constexpr int64_t kCount = 5000;  // more than two blocks, and a tail
  const auto a = draws(kCount, 1), b = draws(kCount, 2), c = draws(kCount, 3);
  const std::vector<const float*> models = {a.data(), b.data(), c.data()};
  const std::vector<float> weights = {0.2f, 0.5f, 0.3f};
  std::vector<float> out(kCount);
  merge_linear(models, weights, kCount, out.data());
  for (int64_t i = 0; i < kCount; ++i) {
    const double expected =
        double{weights[0]} * a[i] + double{weights[1]} * b[i] + double{weights[2]} * c[i];
    ASSERT_NEAR(out[i], expected, 1e-6) << i;
  }
}

TEST(Linear, AllWeightOnOneComponentReturnsIt) {
  const auto a = draws(100, 1), b = draws(100, 2);
  std::vector<float> out(100);
  merge_linear(
      std::vector<const float*>{a.data(), b.data()}, std::vector<float>{0, 1}, 100, out.data());
  EXPECT_EQ(out, b);
}

TEST(Linear, Bfloat16IsRoundedOnceToNearestEven) {
  // 1 + 2^-8 lies half-way between two bfloat16 numbers, 1 + 3·2^-8 too: to even goes down, then
  // up.
  const std::vector<float> values = {
      1 + 0x1p-8f, 1 + 3 * 0x1p-8f, 1 + 0x1.1p-8f, -2.5f, std::numeric_limits<float>::infinity()};
  std::vector<Bf16> out(values.size());
  merge_linear(std::vector<const float*>{values.data()},
               std::vector<float>{1},
               static_cast<int64_t>(values.size()),
               out.data());
  const std::vector<float> expected = {
      1, 1 + 0x1p-6f, 1 + 0x1p-7f, -2.5f, std::numeric_limits<float>::infinity()};
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(static_cast<uint16_t>(out[i]), bits_of(expected[i])) << i;
  }
}

TEST(Linear, ANanStaysANan) {
  const float nan =
      std::bit_cast<float>(0x7f800001u);  // its payload lies in the bits that are cut off
  Bf16 out;
  merge_linear(std::vector<const float*>{&nan}, std::vector<float>{1}, 1, &out);
  EXPECT_EQ(static_cast<uint16_t>(out) & 0x7f80, 0x7f80);
  EXPECT_NE(static_cast<uint16_t>(out) & 0x007f, 0);
}

TEST(Linear, Bfloat16ModelsGiveWhatTheirFloat32ValuesGive) {
  const auto a = draws(3000, 1), b = draws(3000, 2);
  std::vector<Bf16> a16(3000), b16(3000), out16(3000);
  const std::vector<float> one = {1}, weights = {0.25f, 0.75f};
  merge_linear(std::vector<const float*>{a.data()}, one, 3000, a16.data());
  merge_linear(std::vector<const float*>{b.data()}, one, 3000, b16.data());
  std::vector<float> a32(3000), b32(3000), expected(3000), out(3000);
  merge_linear(std::vector<const Bf16*>{a16.data()}, one, 3000, a32.data());
  merge_linear(std::vector<const Bf16*>{b16.data()}, one, 3000, b32.data());
  merge_linear(std::vector<const float*>{a32.data(), b32.data()}, weights, 3000, expected.data());
  merge_linear(std::vector<const Bf16*>{a16.data(), b16.data()}, weights, 3000, out.data());
  EXPECT_EQ(out, expected);
}

}  // namespace
}  // namespace demix
