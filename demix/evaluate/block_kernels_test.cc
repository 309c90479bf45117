// All kernels of multiply_block that this processor has.
#include <gtest/gtest.h>

#include <cmath>
#include <type_traits>
#include <vector>

#include "demix/core/rng.h"
#include "demix/evaluate/bfloat16_block.h"
#include "demix/evaluate/bfloat16_tiles.h"
#include "demix/evaluate/product.h"
#include "demix/evaluate/vector_block.h"

namespace demix {
namespace {

struct Tiles {
  using T = BFloat16;
  static bool has() { return has_bfloat16_tiles(); }
  static void multiply(const BlockProduct<T>& product) { multiply_bfloat16_tiles(product); }
};
struct DotProducts {
  using T = BFloat16;
  static bool has() { return has_bfloat16_block(); }
  static void multiply(const BlockProduct<T>& product) { multiply_bfloat16_block(product); }
};
template <typename Element>
struct Vectors {
  using T = Element;
  static bool has() { return true; }
  static void multiply(const BlockProduct<T>& product) { multiply_vector_block(product); }
};

// Random numbers that bfloat16 holds.
template <typename T>
Buffer<T> random_numbers(Rng& rng, int64_t count) {
  Buffer<T> numbers(count);
  for (int64_t i = 0; i < count; ++i) {
    const Floats x = Floats{} + static_cast<float>(rng.normal());
    BFloat16 lanes[kLanes];
    store(x, lanes);
    if constexpr (std::is_same_v<T, float>) {
      numbers[i] = to_float(lanes[0]);
    } else {
      numbers[i] = lanes[0];
    }
  }
  return numbers;
}

template <typename Kernel>
class BlockKernels : public testing::Test {
 protected:
  using T = typename Kernel::T;
  static constexpr int64_t kPerWord = 4 / sizeof(T);

  void SetUp() override {
    if (!Kernel::has()) GTEST_SKIP() << "this processor has no such instructions";
  }
  void TearDown() override { end_bfloat16_tiles(); }

  // Compares one product with its sums in float64, then adds another to it.
  void expect_sums(int64_t rows, int64_t columns, int64_t inputs) {
    Rng rng(1);
    const int64_t stride = inputs + 64;
    const auto a = random_numbers<T>(rng, kBlockRows * stride);
    const auto panel = random_numbers<T>(rng, inputs / kPerWord * kBlockColumns * kPerWord);
    const Buffer<float> block(kBlockRows * kBlockColumns);
    for (const bool add : {false, true}) {
      Kernel::multiply({.rows = rows,
                        .columns = columns,
                        .inputs = inputs,
                        .a = a.data(),
                        .a_stride = stride,
                        .panel = panel.data(),
                        .add = add,
                        .block = block.data(),
                        .wanted = {panel.data(), static_cast<size_t>(inputs)}});
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < columns; ++c) {
          double sum = 0;
          for (int64_t i = 0; i < inputs; ++i)
            sum += double{to_float(a[r * stride + i])} *
                   to_float(panel[(i / kPerWord * kBlockColumns + c) * kPerWord + i % kPerWord]);
          if (add) sum *= 2;
          ASSERT_NEAR(
              block[r * kBlockColumns + c], sum, 5e-6 * std::sqrt(static_cast<double>(inputs)))
              << rows << " x " << columns << " x " << inputs << ", row " << r << ", column " << c;
        }
      }
    }
  }
};
using Kernels = testing::Types<Tiles, DotProducts, Vectors<BFloat16>, Vectors<float>>;
TYPED_TEST_SUITE(BlockKernels, Kernels);

TYPED_TEST(BlockKernels, SumAsInFloat64) {
  for (const int64_t rows : {1, 5, 16, 17, 40, 64})
    for (const int64_t columns : {16, 32, 48, 64})
      for (const int64_t inputs : {32, 128, 416}) this->expect_sums(rows, columns, inputs);
}

TYPED_TEST(BlockKernels, RowsDoNotDependOnOthers) {
  using T = typename TypeParam::T;
  constexpr int64_t kInputs = 160;
  Rng rng(2);
  const auto a = random_numbers<T>(rng, kBlockRows * kInputs);
  const auto panel = random_numbers<T>(rng, kInputs * kBlockColumns);
  const auto multiply = [&](int64_t first, int64_t rows) {
    Buffer<float> block(kBlockRows * kBlockColumns);
    TypeParam::multiply({.rows = rows,
                         .columns = kBlockColumns,
                         .inputs = kInputs,
                         .a = a.data() + first * kInputs,
                         .a_stride = kInputs,
                         .panel = panel.data(),
                         .block = block.data()});
    return block;
  };
  const auto all = multiply(0, kBlockRows);
  for (const int64_t rows : {1, 2, 3, 4, 30}) {
    const auto some = multiply(21, rows);
    for (int64_t i = 0; i < rows * kBlockColumns; ++i)
      ASSERT_EQ(some[i], all[21 * kBlockColumns + i]);
  }
}

}  // namespace
}  // namespace demix
