#include "demix/merge/number_formats.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace demix {
namespace {

// The value of a float16's bits by its definition.
double value_of_float16(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31) return fraction ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

std::vector<uint16_t> all_halves() {
  std::vector<uint16_t> bits(1 << 16);
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
  return bits;
}

uint16_t rounded(NumberFormat format, float value) {
  uint16_t bits;
  write_numbers(format, &value, 1, reinterpret_cast<std::byte*>(&bits));
  return bits;
}

TEST(NumberFormats, EveryFloat16IsReadByItsDefinitionAndWrittenBack) {
  const std::vector<uint16_t> in = all_halves();
  std::vector<float> values(in.size());
  std::vector<uint16_t> out(in.size());
  EXPECT_FALSE(read_numbers(NumberFormat::kFloat16,
                            reinterpret_cast<const std::byte*>(in.data()),
                            static_cast<int64_t>(in.size()),
                            values.data()));
  EXPECT_FALSE(write_numbers(NumberFormat::kFloat16,
                             values.data(),
                             static_cast<int64_t>(in.size()),
                             reinterpret_cast<std::byte*>(out.data())));
  for (size_t i = 0; i < in.size(); ++i) {
    const double expected = value_of_float16(in[i]);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(values[i])) << i;
      ASSERT_TRUE(std::isnan(value_of_float16(out[i]))) << i;
    } else {
      ASSERT_EQ(values[i], expected) << i;
      ASSERT_EQ(out[i], in[i]) << i;
    }
  }
}

TEST(NumberFormats, RoundingIsToNearestAndToEvenHalfWay) {
  // For neighbouring finite float16 numbers: just below, at and just above the middle.
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const double low = value_of_float16(static_cast<uint16_t>(bits));
    const double high = value_of_float16(static_cast<uint16_t>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);
    ASSERT_EQ(rounded(NumberFormat::kFloat16, middle), bits + (bits & 1)) << bits;
    ASSERT_EQ(rounded(NumberFormat::kFloat16, std::nextafter(middle, 0.f)), bits);
    ASSERT_EQ(rounded(NumberFormat::kFloat16, std::nextafter(middle, 1e9f)), bits + 1);
    ASSERT_EQ(rounded(NumberFormat::kFloat16, -middle), (bits + (bits & 1)) | 0x8000);
  }
  for (uint32_t bits = 0; bits < 0x7f7f; ++bits) {
    const float middle = std::bit_cast<float>(bits << 16 | 0x8000);
    ASSERT_EQ(rounded(NumberFormat::kBfloat16, middle), bits + (bits & 1));
    ASSERT_EQ(rounded(NumberFormat::kBfloat16, std::nextafter(middle, 0.f)), bits);
    ASSERT_EQ(rounded(NumberFormat::kBfloat16,
                      std::nextafter(middle, std::numeric_limits<float>::infinity())),
              bits + 1);
  }
}

TEST(NumberFormats, WhatOverflowsOrIsNotFiniteIsReported) {
  const float largest = 65504, too_large = 65520, huge = std::numeric_limits<float>::max();
  const float nan = std::bit_cast<float>(0x7f800001u);
  uint16_t out[2];
  auto* bytes = reinterpret_cast<std::byte*>(out);
  EXPECT_TRUE(write_numbers(NumberFormat::kFloat16, &largest, 1, bytes));
  EXPECT_FALSE(write_numbers(NumberFormat::kFloat16, &too_large, 1, bytes));
  EXPECT_EQ(out[0], 0x7c00);
  EXPECT_FALSE(write_numbers(NumberFormat::kBfloat16, &huge, 1, bytes));
  EXPECT_EQ(out[0], 0x7f80);
  for (const NumberFormat format : {NumberFormat::kBfloat16, NumberFormat::kFloat16}) {
    EXPECT_FALSE(write_numbers(format, &nan, 1, bytes));
    float back;
    EXPECT_FALSE(read_numbers(format, bytes, 1, &back));
    EXPECT_TRUE(std::isnan(back));
  }
  const double large = 1e300;
  float value;
  EXPECT_FALSE(
      read_numbers(NumberFormat::kFloat64, reinterpret_cast<const std::byte*>(&large), 1, &value));
}

TEST(NumberFormats, NamesOfAllKindsAreKnown) {
  EXPECT_EQ(number_format_of("BF16"), NumberFormat::kBfloat16);
  EXPECT_EQ(number_format_of("I32"), std::nullopt);
  EXPECT_EQ(number_format_of("F8_E4M3"), std::nullopt);
  EXPECT_EQ(number_format_named("bfloat16"), NumberFormat::kBfloat16);
  EXPECT_EQ(number_format_named("fp16"), NumberFormat::kFloat16);
  EXPECT_EQ(number_format_named("int8"), std::nullopt);
}

}  // namespace
}  // namespace demix
