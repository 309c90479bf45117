#include "demix/evaluate/kv_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "demix/core/rng.h"

namespace demix {
namespace {

struct Case {
  AttentionShape shape;
  int64_t layers, seen;
};

template <typename T>
T number(double value) {
  const auto narrow = static_cast<float>(value);
  if constexpr (std::is_same_v<T, float>) {
    return narrow;
  } else {
    uint32_t bits;
    std::memcpy(&bits, &narrow, sizeof bits);
    return BFloat16{static_cast<uint16_t>(bits >> 16)};
  }
}

template <typename T>
std::vector<T> random_numbers(Rng& rng, int64_t count) {
  std::vector<T> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(number<T>(rng.normal()));
  return values;
}

// Tokens written one by one and the sums written out in double.
template <typename T>
void expect_attention(const Case& c, double tolerance) {
  const auto [heads, kv_heads, head_dim] = c.shape;
  Rng rng(7);
  KvCache<T> cache(c.layers, c.shape);
  std::vector<std::vector<T>> keys, values;
  for (int64_t position = 0; position < c.seen; ++position) {
    for (int64_t layer = 0; layer < c.layers; ++layer) {
      keys.push_back(random_numbers<T>(rng, kv_heads * head_dim));
      values.push_back(random_numbers<T>(rng, kv_heads * head_dim));
      cache.write(layer, position, keys.back().data(), values.back().data());
    }
  }
  KvScratch<T> scratch;
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const auto q = random_numbers<T>(rng, heads * head_dim);
    std::vector<T> out(q.size());
    cache.attend(layer, c.seen, q.data(), out.data(), scratch);
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t from = h / (heads / kv_heads) * head_dim;
      std::vector<double> expected(static_cast<size_t>(head_dim));
      double sum = 0;
      for (int64_t position = 0; position < c.seen; ++position) {
        const auto token = static_cast<size_t>(position * c.layers + layer);
        double score = 0;
        for (int64_t d = 0; d < head_dim; ++d)
          score += to_float(q[h * head_dim + d]) * to_float(keys[token][from + d]);
        const double weight = std::exp(score / std::sqrt(static_cast<double>(head_dim)));
        sum += weight;
        for (int64_t d = 0; d < head_dim; ++d)
          expected[d] += weight * to_float(values[token][from + d]);
      }
      for (int64_t d = 0; d < head_dim; ++d)
        EXPECT_NEAR(to_float(out[h * head_dim + d]), expected[d] / sum, tolerance)
            << "head " << h << ", dimension " << d;
    }
  }
}

TEST(KvCache, AttendsToAllTokensWritten) {
  for (const Case& c : {Case{{9, 3, 64}, 2, 1},
                        Case{{9, 3, 64}, 2, 64},
                        Case{{9, 3, 64}, 2, 130},
                        Case{{4, 4, 10}, 1, 70},
                        Case{{14, 2, 64}, 1, 65},
                        Case{{2, 1, 128}, 1, 100},
                        Case{{4, 2, 80}, 2, 33}}) {
    expect_attention<float>(c, 2e-6);
    expect_attention<BFloat16>(c, 1e-2);  // the result is rounded
  }
}

TEST(KvCache, ServesTheNextSequenceWithItsPages) {
  const AttentionShape shape{2, 1, 16};
  Rng rng(3);
  KvCache<float> used(1, shape), fresh(1, shape);
  for (int64_t position = 0; position < 100; ++position) {
    const auto old = random_numbers<float>(rng, 16);
    used.write(0, position, old.data(), old.data());
  }
  const auto k = random_numbers<float>(rng, 16), v = random_numbers<float>(rng, 16);
  const auto q = random_numbers<float>(rng, 32);
  std::vector<float> a(32), b(32);
  KvScratch<float> scratch;
  for (KvCache<float>* cache : {&used, &fresh}) cache->write(0, 0, k.data(), v.data());
  used.attend(0, 1, q.data(), a.data(), scratch);
  fresh.attend(0, 1, q.data(), b.data(), scratch);
  EXPECT_EQ(a, b);
}

TEST(KvCache, CountsItsBytes) {
  EXPECT_EQ(KvCache<BFloat16>::bytes_per_position(30, {9, 3, 64}), 30 * 3 * 2 * 64 * 2);
}

}  // namespace
}  // namespace demix
