#include "demix/evaluate/bfloat16_tiles.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "demix/core/rng.h"
#include "demix/evaluate/bfloat16_block.h"
#include "demix/evaluate/product.h"

namespace demix {
namespace {

// Random numbers that bfloat16 holds.
Buffer<BFloat16> random_numbers(Rng& rng, int64_t count) {
  Buffer<BFloat16> numbers(count);
  for (int64_t i = 0; i < count; ++i) {
    const Floats x = Floats{} + static_cast<float>(rng.normal());
    BFloat16 lanes[kLanes];
    store(x, lanes);
    numbers[i] = lanes[0];
  }
  return numbers;
}

// Rows, columns and inputs of blocks: whole tiles of either, and parts.
class Bfloat16Tiles : public testing::TestWithParam<std::tuple<int64_t, int64_t, int64_t>> {
 protected:
  void SetUp() override {
    if (!has_bfloat16_tiles()) GTEST_SKIP() << "this processor has no tiles";
  }
  void TearDown() override { end_bfloat16_tiles(); }
};

TEST_P(Bfloat16Tiles, AreTheSumsInFloat64) {
  const auto [rows, columns, inputs] = GetParam();
  Rng rng(1);
  const int64_t stride = inputs + 64;
  const auto a = random_numbers(rng, kBlockRows * stride);
  const auto panel = random_numbers(rng, inputs * kBlockColumns);
  Buffer<float> tiles(kBlockRows * kBlockColumns), dots(kBlockRows * kBlockColumns);
  for (const bool add : {false, true}) {
    multiply_bfloat16_tiles(rows,
                            columns,
                            inputs,
                            a.data(),
                            stride,
                            panel.data(),
                            add,
                            tiles.data(),
                            {panel.data(), static_cast<size_t>(inputs)});
    if (has_bfloat16_block())
      multiply_bfloat16_block(
          rows, columns, inputs, a.data(), stride, panel.data(), add, dots.data());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        double sum = 0;
        for (int64_t i = 0; i < inputs; ++i)
          sum += double{to_float(a[r * stride + i])} *
                 to_float(panel[i / 2 * 2 * kBlockColumns + 2 * c + i % 2]);
        if (add) sum *= 2;
        const double near = 5e-6 * std::sqrt(static_cast<double>(inputs));
        ASSERT_NEAR(tiles[r * kBlockColumns + c], sum, near) << "row " << r << ", column " << c;
        if (has_bfloat16_block()) {
          ASSERT_NEAR(dots[r * kBlockColumns + c], sum, near);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         Bfloat16Tiles,
                         testing::Combine(testing::Values(1, 16, 17, 40, 64),
                                          testing::Values(16, 32, 48, 64),
                                          testing::Values(32, 128, 416)));

TEST(Bfloat16TilesOfRows, DoNotDependOnOtherRows) {
  if (!has_bfloat16_tiles()) GTEST_SKIP() << "this processor has no tiles";
  constexpr int64_t kInputs = 160;
  Rng rng(2);
  const auto a = random_numbers(rng, kBlockRows * kInputs);
  const auto panel = random_numbers(rng, kInputs * kBlockColumns);
  const auto multiply = [&](int64_t first, int64_t rows) {
    Buffer<float> block(kBlockRows * kBlockColumns);
    multiply_bfloat16_tiles(rows,
                            kBlockColumns,
                            kInputs,
                            a.data() + first * kInputs,
                            kInputs,
                            panel.data(),
                            false,
                            block.data());
    return block;
  };
  const auto all = multiply(0, kBlockRows), some = multiply(21, 30);
  end_bfloat16_tiles();
  for (int64_t i = 0; i < 30 * kBlockColumns; ++i) ASSERT_EQ(some[i], all[21 * kBlockColumns + i]);
}

}  // namespace
}  // namespace demix
