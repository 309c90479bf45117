#include "demix/evaluate/rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "demix/core/rng.h"
#include "demix/evaluate/product.h"

namespace demix {
namespace {

template <typename T>
class RowKernels : public testing::Test {
 protected:
  // Values that the type holds exactly.
  static void fill(T* to, int64_t count, std::string_view name) {
    Rng rng = Rng(1).stream(name);
    for (int64_t i = 0; i < count; ++i) {
      const Floats x = Floats{} + static_cast<float>(rng.normal());
      T lanes[kLanes];
      store(x, lanes);
      to[i] = lanes[0];
    }
  }
  static void fill_floats(float* to, int64_t count, std::string_view name) {
    Rng rng = Rng(1).stream(name);
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(3 * rng.normal());
  }
  // Relative error of one rounding.
  static constexpr double kRounding = std::is_same_v<T, float> ? 1e-6 : 1.0 / 256;
  static void expect_near(T value, double expected) {
    EXPECT_NEAR(to_float(value), expected, kRounding * (std::abs(expected) + 0.1));
  }
};
using Types = testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(RowKernels, Types);

TYPED_TEST(RowKernels, NormalizeDividesByTheRootMeanSquare) {
  for (const int64_t columns : {5, 16, 24, 100}) {
    constexpr int64_t kRows = 3, kStride = 128;
    Buffer<TypeParam> x(kRows * kStride), weight(kStride), out(kRows * kStride);
    for (int64_t r = 0; r < kRows; ++r) this->fill(x.data() + r * kStride, columns, "x");
    this->fill(weight.data(), columns, "weight");
    normalize(Strided<const TypeParam>{x.data(), kStride},
              kRows,
              columns,
              Normalization<TypeParam>{weight.data(), 1e-5F},
              Strided<TypeParam>{out.data(), kStride});
    for (int64_t r = 0; r < kRows; ++r) {
      double squares = 0;
      for (int64_t i = 0; i < columns; ++i) {
        const double value = to_float(x[r * kStride + i]);
        squares += value * value;
      }
      const double scale = 1 / std::sqrt(squares / static_cast<double>(columns) + 1e-5);
      for (int64_t i = 0; i < columns; ++i)
        this->expect_near(out[r * kStride + i],
                          to_float(x[r * kStride + i]) * scale * to_float(weight[i]));
      for (int64_t i = columns; i < kStride; ++i) EXPECT_EQ(to_float(out[r * kStride + i]), 0);
    }
  }
}

TYPED_TEST(RowKernels, BlocksAreStoredAddedAndGated) {
  constexpr int64_t kRows = 2, kStride = 96;
  Buffer<float> block(kRows * kBlockColumns);
  this->fill_floats(block.data(), kRows * kBlockColumns, "block");
  Buffer<TypeParam> bias(kBlockColumns), more(kBlockColumns), out(kRows * kStride),
      x(kRows * kStride), gated(kRows * kStride);
  this->fill(bias.data(), kBlockColumns, "bias");
  this->fill(more.data(), kBlockColumns, "more");
  this->fill(x.data(), kRows * kStride, "x");
  std::vector<float> before(static_cast<size_t>(kRows * kStride));
  for (size_t i = 0; i < before.size(); ++i) before[i] = to_float(x[static_cast<int64_t>(i)]);

  using Out = Strided<TypeParam>;
  const GateBiases<TypeParam> biases{bias.data(), more.data()};
  block[3] = -300;  // a gate that lets nothing through
  block[4] = 300;
  store_block({block.data(), kRows, kBlockColumns}, bias.data(), Out{out.data(), kStride});
  add_block({block.data(), kRows, 48}, bias.data(), Out{x.data(), kStride});
  store_gated_block({block.data(), kRows, 32}, biases, Out{gated.data(), kStride});
  for (int64_t r = 0; r < kRows; ++r) {
    const float* from = block.data() + r * kBlockColumns;
    for (int64_t c = 0; c < kBlockColumns; ++c)
      this->expect_near(out[r * kStride + c], double{from[c]} + to_float(bias[c]));
    for (int64_t c = 0; c < kStride; ++c) {
      const double old = before[static_cast<size_t>(r * kStride + c)];
      this->expect_near(x[r * kStride + c], c < 48 ? old + from[c] + to_float(bias[c]) : old);
    }
    for (int64_t c = 0; c < 32; ++c) {
      const double gate = double{from[c]} + to_float(bias[c]);
      const double up = double{from[32 + c]} + to_float(more[c]);
      this->expect_near(gated[r * kStride + c], gate / (1 + std::exp(-gate)) * up);
    }
  }
}

TYPED_TEST(RowKernels, HeadsAreNormalisedAndTurned) {
  for (const int64_t head_dim : {6, 16, 32, 80}) {
    constexpr int64_t kRows = 3, kHeads = 2;
    const int64_t half = head_dim / 2, stride = row_stride<TypeParam>(kHeads * head_dim);
    Buffer<TypeParam> x(kRows * stride), weight(head_dim + kLanes);
    this->fill(weight.data(), head_dim, "weight");
    Buffer<float> cos(5 * half), sin(5 * half);
    for (int64_t i = 0; i < 5 * half; ++i) {
      cos[i] = std::cos(static_cast<float>(i));
      sin[i] = std::sin(static_cast<float>(i));
    }
    const int32_t positions[kRows] = {4, 0, 2};
    const Rotation rotation{positions, cos.data(), sin.data()};
    for (const bool normalised : {false, true}) {
      for (int64_t r = 0; r < kRows; ++r) this->fill(x.data() + r * stride, 2 * head_dim, "x");
      std::vector<double> before(static_cast<size_t>(kRows * stride));
      for (size_t i = 0; i < before.size(); ++i) before[i] = to_float(x[static_cast<int64_t>(i)]);
      rotate_heads(Strided<TypeParam>{x.data(), stride},
                   kRows,
                   kHeads,
                   head_dim,
                   rotation,
                   Normalization<TypeParam>{normalised ? weight.data() : nullptr, 1e-6F});
      for (int64_t r = 0; r < kRows; ++r) {
        for (int64_t h = 0; h < kHeads; ++h) {
          double* head = before.data() + r * stride + h * head_dim;
          double squares = 0;
          for (int64_t d = 0; d < head_dim; ++d) squares += head[d] * head[d];
          const double scale = 1 / std::sqrt(squares / static_cast<double>(head_dim) + 1e-6);
          if (normalised)
            for (int64_t d = 0; d < head_dim; ++d) head[d] *= scale * to_float(weight[d]);
          for (int64_t d = 0; d < half; ++d) {
            const double c = cos[positions[r] * half + d], s = sin[positions[r] * half + d];
            const TypeParam* out = x.data() + r * stride + h * head_dim;
            this->expect_near(out[d], head[d] * c - head[half + d] * s);
            this->expect_near(out[half + d], head[half + d] * c + head[d] * s);
          }
        }
      }
    }
  }
}

class LogSums : public testing::Test {
 protected:
  // log Σ exp of `logits`, added in blocks.
  static double of(const std::vector<float>& logits) {
    LaneSums sums = LaneSums::lowest();
    for (size_t first = 0; first < logits.size(); first += kBlockColumns) {
      alignas(64) float block[kBlockColumns] = {};
      const size_t count = std::min<size_t>(kBlockColumns, logits.size() - first);
      std::copy_n(logits.begin() + static_cast<std::ptrdiff_t>(first), count, block);
      add_logits({block, 1, static_cast<int64_t>(count)}, &sums);
    }
    return log_of_sum(sums);
  }
};

TEST_F(LogSums, AreThoseOfTheDefinition) {
  Rng rng(3);
  for (const size_t count : {1, 3, 16, 64, 65, 1000}) {
    std::vector<float> logits(count);
    double sum = 0;
    for (float& logit : logits) {
      logit = static_cast<float>(20 * rng.normal());
      sum += std::exp(double{logit});
    }
    EXPECT_NEAR(of(logits), std::log(sum), 1e-6 * (1 + std::abs(std::log(sum))));
  }
}

TEST_F(LogSums, HugeLogitsDoNotOverflowAndNaNIsKept) {
  EXPECT_NEAR(of({1e30F, 1e30F}), 1e30, 1e24);
  EXPECT_NEAR(of({-1e4F, -1e4F, -1e4F}), -1e4 + std::log(3.0), 1e-6 * 1e4);
  EXPECT_TRUE(std::isnan(of({1, NAN, 2})));
  EXPECT_FALSE(std::isfinite(of({1, std::numeric_limits<float>::infinity()})));
}

}  // namespace
}  // namespace demix
