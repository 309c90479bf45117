#include "demix/merge/linear.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "demix/core/rng.h"

namespace demix {
namespace {

template <typename T>
T rounded(float x) {
  T result;
  merge_linear(std::vector<const float*>{&x}, std::vector<float>{1}, 1, std::vector<T*>{&result});
  return result;
}

template <typename T>
std::vector<T> draws(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<T> values(static_cast<size_t>(count));
  for (T& value : values) value = rounded<T>(static_cast<float>(rng.normal()));
  return values;
}

template <typename T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// K models and M rows of weights.
template <typename In, typename Out>
struct Case {
  std::vector<std::vector<In>> models;
  std::vector<float> weights;
  int64_t count;
  size_t M;

  Case(size_t K, size_t merges, int64_t numbers) : count(numbers), M(merges) {
    for (size_t k = 0; k < K; ++k) models.push_back(draws<In>(count, k + 1));
    weights = draws<float>(static_cast<int64_t>(M * K), 99);
  }

  // The merges of rows `first` to `first + merges`, whose outs begin `shift` numbers behind a cache
  // line, models likewise.
  std::vector<std::vector<Out>> merge(size_t first,
                                      size_t merges,
                                      Stores stores,
                                      size_t shift = 0) const {
    const size_t K = models.size();
    std::vector<std::vector<In>> moved;
    std::vector<const In*> from;
    for (const auto& model : models) {
      moved.emplace_back(shift);
      moved.back().insert(moved.back().end(), model.begin(), model.end());
    }
    for (const auto& model : moved) from.push_back(model.data() + shift);
    const size_t size = static_cast<size_t>(count) + shift + 1;
    std::vector<std::vector<Out>> outs(merges, std::vector<Out>(size, rounded<Out>(77)));
    std::vector<Out*> to;
    for (auto& out : outs) to.push_back(out.data() + shift);
    merge_linear(from, std::span(weights).subspan(first * K, merges * K), count, to, stores);
    for (auto& out : outs) {
      EXPECT_EQ(to_float(out.back()), 77) << "a number behind the end was written";
      out.pop_back();
      out.erase(out.begin(), out.begin() + static_cast<int64_t>(shift));
    }
    return outs;
  }
};

template <typename Types>
class LinearOf : public testing::Test {};
template <typename I, typename O>
struct Pair {
  using In = I;
  using Out = O;
};
using AllPairs = testing::Types<Pair<float, float>,
                                Pair<float, BFloat16>,
                                Pair<BFloat16, float>,
                                Pair<BFloat16, BFloat16>>;
TYPED_TEST_SUITE(LinearOf, AllPairs);

TYPED_TEST(LinearOf, EqualsASumInDoublePrecisionWithinRounding) {
  using In = typename TypeParam::In;
  using Out = typename TypeParam::Out;
  for (const size_t K : {1, 7, 8, 9, 20}) {
    const Case<In, Out> c(K, 3, 2500);
    const auto outs = c.merge(0, 3, Stores::kCached);
    for (size_t m = 0; m < 3; ++m) {
      for (size_t i = 0; i < 2500; ++i) {
        double sum = 0, magnitude = 0;
        for (size_t k = 0; k < K; ++k) {
          const double term = double{c.weights[m * K + k]} * to_float(c.models[k][i]);
          sum += term;
          magnitude += std::abs(term);
        }
        // K roundings in float32 of partial sums no larger than `magnitude`, and one of the result.
        double allowed = static_cast<double>(K) * 0x1p-24 * magnitude;
        if (sizeof(Out) == 2) allowed += 0x1.01p-8 * std::abs(sum);
        ASSERT_NEAR(to_float(outs[m][i]), sum, allowed) << K << " models, number " << i;
      }
    }
  }
}

TYPED_TEST(LinearOf, ManyMergesAtOnceAreBitwiseThoseOneByOne) {
  // More merges than one group has, in groups of every size; more models than one group has.
  for (const size_t M : {2, 3, 5, 8, 15, 17}) {
    for (const size_t K : {1, 7, 8, 19}) {
      const Case<typename TypeParam::In, typename TypeParam::Out> c(K, M, 1100);
      const auto together = c.merge(0, M, Stores::kCached);
      for (size_t m = 0; m < M; ++m) {
        ASSERT_TRUE(same_bits(together[m], c.merge(m, 1, Stores::kCached)[0]))
            << K << " models, merge " << m << " of " << M;
      }
    }
  }
}

TYPED_TEST(LinearOf, NeitherCountNorAlignmentNorTheWayOfStoringChangesABit) {
  const Case<typename TypeParam::In, typename TypeParam::Out> whole(9, 9, 2200);
  const auto expected = whole.merge(0, 9, Stores::kCached);
  for (const int64_t count : {0, 1, 15, 16, 63, 64, 65, 1023, 1024, 1025, 2113}) {
    auto part = whole;
    part.count = count;
    for (const size_t shift : {0, 1, 2, 3, 8}) {
      for (const Stores stores : {Stores::kCached, Stores::kStreaming}) {
        const auto outs = part.merge(0, 9, stores, shift);
        for (size_t m = 0; m < 9; ++m) {
          auto beginning = expected[m];
          beginning.resize(static_cast<size_t>(count));
          ASSERT_TRUE(same_bits(outs[m], beginning)) << count << " numbers, shifted by " << shift;
        }
      }
    }
  }
}

TYPED_TEST(LinearOf, AllWeightOnOneComponentReturnsIt) {
  using In = typename TypeParam::In;
  const auto a = draws<In>(100, 1), b = draws<In>(100, 2);
  std::vector<typename TypeParam::Out> out(100);
  merge_linear(std::vector<const In*>{a.data(), b.data()},
               std::vector<float>{0, 1},
               100,
               std::vector{out.data()});
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(to_float(out[i]), to_float(rounded<typename TypeParam::Out>(to_float(b[i]))));
  }
}

TEST(Linear, Bfloat16IsRoundedOnceToNearestEven) {
  // 1 + 2^-8 lies half-way between two bfloat16 numbers, 1 + 3·2^-8 too: to even goes down, then
  // up.
  const std::vector<float> values = {
      1 + 0x1p-8f, 1 + 3 * 0x1p-8f, 1 + 0x1.1p-8f, -2.5f, std::numeric_limits<float>::infinity()};
  const std::vector<float> expected = {
      1, 1 + 0x1p-6f, 1 + 0x1p-7f, -2.5f, std::numeric_limits<float>::infinity()};
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(to_float(rounded<BFloat16>(values[i])), expected[i]);
  }
  // The same from bfloat16 models: 1 + w·2^-7 for w of 1/2, 3/2 and 17/32.
  const BFloat16 one = rounded<BFloat16>(1), last = rounded<BFloat16>(0x1p-7f);
  for (size_t i = 0; i < 3; ++i) {
    BFloat16 out;
    merge_linear(std::vector<const BFloat16*>{&one, &last},
                 std::vector<float>{1, (values[i] - 1) * 0x1p7f},
                 1,
                 std::vector{&out});
    EXPECT_EQ(to_float(out), expected[i]);
  }
}

TEST(Linear, ANanStaysANan) {
  for (const uint32_t bits : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0xffffffffu}) {
    // Payloads in the bits that are cut off, and such that rounding would carry into the sign.
    const BFloat16 out = rounded<BFloat16>(std::bit_cast<float>(bits));
    EXPECT_TRUE(std::isnan(to_float(out))) << bits;
  }
  const BFloat16 infinite = rounded<BFloat16>(std::numeric_limits<float>::infinity());
  for (const uint16_t bits : {0x7f81, 0x7fff, 0xffff}) {
    const BFloat16 nan{bits};
    BFloat16 out;
    merge_linear(std::vector<const BFloat16*>{&nan}, std::vector<float>{1}, 1, std::vector{&out});
    EXPECT_TRUE(std::isnan(to_float(out))) << bits;
  }
  BFloat16 out;
  merge_linear(std::vector<const BFloat16*>{&infinite, &infinite},
               std::vector<float>{1, -1},
               1,
               std::vector{&out});
  EXPECT_TRUE(std::isnan(to_float(out)));
}

TEST(Linear, Bfloat16ModelsGiveWhatTheirFloat32ValuesGive) {
  const Case<BFloat16, float> halves(5, 2, 3000);
  Case<float, float> floats(5, 2, 3000);
  for (size_t k = 0; k < 5; ++k) {
    for (size_t i = 0; i < 3000; ++i) floats.models[k][i] = to_float(halves.models[k][i]);
  }
  EXPECT_EQ(halves.merge(0, 2, Stores::kCached), floats.merge(0, 2, Stores::kCached));
}

}  // namespace
}  // namespace demix
