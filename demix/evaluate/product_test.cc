#include "demix/evaluate/product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "demix/core/rng.h"

namespace demix {
namespace {

template <typename T>
T number(float value) {
  Floats x = Floats{} + value;
  T lanes[kLanes];
  store(x, lanes);
  return lanes[0];
}

template <typename T>
class Product : public testing::Test {};
using Types = testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(Product, Types);

// What multiply() gives for [rows, inputs] and [outputs, inputs] of random numbers, and what it
// should, in float64.
template <typename T>
struct Case {
  int64_t rows, inputs, outputs, stride;
  Buffer<T> x;
  std::vector<T> weights;

  Case(int64_t r, int64_t i, int64_t o)
      : rows(r),
        inputs(i),
        outputs(o),
        stride(row_stride<T>(i)),
        x(round_up(r, kBlockRows) * stride),
        weights(static_cast<size_t>(o * i)) {
    Rng rng = Rng(1).stream("product");
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t c = 0; c < inputs; ++c)
        x[row * stride + c] = number<T>(static_cast<float>(rng.normal()));
    for (T& weight : weights) weight = number<T>(static_cast<float>(rng.normal()));
  }

  Matrix<T> matrix() const {
    return Matrix<T>(outputs, inputs, [&](int64_t i) { return weights.data() + i * inputs; });
  }
  std::vector<float> multiply(const Matrix<T>& matrix) const {
    std::vector<float> out(static_cast<size_t>(rows * outputs), NAN);
    matrix.multiply(x.data(), stride, rows, [&](int64_t row, int64_t column, const Block& block) {
      for (int64_t r = 0; r < block.rows; ++r)
        for (int64_t c = 0; c < block.columns; ++c)
          out[static_cast<size_t>((row + r) * outputs + column + c)] =
              block.values[r * kBlockColumns + c];
    });
    end_block_products();
    return out;
  }
  void expect_right(const std::vector<float>& out, double tolerance) const {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t o = 0; o < outputs; ++o) {
        double sum = 0;
        for (int64_t i = 0; i < inputs; ++i)
          sum += double{to_float(x[row * stride + i])} *
                 to_float(weights[static_cast<size_t>(o * inputs + i)]);
        ASSERT_NEAR(out[static_cast<size_t>(row * outputs + o)],
                    sum,
                    tolerance * std::sqrt(static_cast<double>(inputs)))
            << rows << " x " << inputs << " x " << outputs << ", row " << row << ", output " << o;
      }
    }
  }
};

TYPED_TEST(Product, BlocksHoldTheProductForAnyShape) {
  for (const auto& [rows, inputs, outputs] :
       {std::tuple{1, 2, 1}, {3, 33, 65}, {64, 64, 64}, {70, 100, 130}, {300, 24, 200}}) {
    const Case<TypeParam> c(rows, inputs, outputs);
    c.expect_right(c.multiply(c.matrix()), 2e-6);
  }
}

TYPED_TEST(Product, ARowDependsBitwiseOnNothingElse) {
  Case<TypeParam> c(300, 96, 80);
  const auto matrix = c.matrix();
  const auto reference = c.multiply(matrix);
  Case<TypeParam> moved(70, 96, 80);
  std::copy(c.x.data() + 200 * c.stride, c.x.data() + 270 * c.stride, moved.x.data());
  const auto out = moved.multiply(matrix);
  for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], reference[200 * 80 + i]);
}

TYPED_TEST(Product, OutputsWithoutWeightsAreZero) {
  const Case<TypeParam> c(5, 40, 70);
  const Matrix<TypeParam> matrix(
      70, 40, [&](int64_t i) { return i % 2 == 0 ? c.weights.data() + i * 40 : nullptr; });
  const auto out = c.multiply(matrix);
  for (size_t i = 0; i < out.size(); ++i)
    if (i % 70 % 2 == 1) {
      EXPECT_EQ(out[i], 0);
    } else {
      EXPECT_NE(out[i], 0);
    }
}

TYPED_TEST(Product, SmallBlocksAddUp) {
  constexpr int64_t kInputs = 32;
  Buffer<TypeParam> a(16 * kInputs), panel(kInputs * kBlockColumns);
  Buffer<float> block(16 * kBlockColumns);
  for (int64_t i = 0; i < 16 * kInputs; ++i) a[i] = number<TypeParam>(1);
  for (int64_t i = 0; i < kInputs * kBlockColumns; ++i) panel[i] = number<TypeParam>(2);
  for (int times = 1; times <= 2; ++times) {
    multiply_block<TypeParam>({.rows = 16,
                               .columns = 48,
                               .inputs = kInputs,
                               .a = a.data(),
                               .a_stride = kInputs,
                               .panel = panel.data(),
                               .add = times > 1,
                               .block = block.data()});
    for (int64_t r = 0; r < 16; ++r)
      for (int64_t c = 0; c < 48; ++c) EXPECT_EQ(block[r * kBlockColumns + c], times * 64);
  }
  end_block_products();
}

}  // namespace
}  // namespace demix
