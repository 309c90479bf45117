#include "demix/evaluate/rows.h"

#include <algorithm>
#include <cmath>

namespace demix {
namespace {

// 1 / sqrt(mean(x²) + eps) of a row that is zero behind its columns.
template <typename Isa, typename T>
DEMIX_INLINE float inverse_size(const T* x, int64_t columns, float eps) {
  constexpr int64_t kTogether = 4;  // sums that do not wait for one another
  using Floats = typename Isa::Floats;
  Floats sums[kTogether] = {}, value;
  int64_t i = 0;
  for (; i + kTogether * kLanes <= columns; i += kTogether * kLanes)
    for (int64_t part = 0; part < kTogether; ++part) {
      Isa::load(x + i + part * kLanes, value);
      sums[part] += value * value;
    }
  for (; i < columns; i += kLanes) {
    load_first<Isa>(x + i, columns - i, value);
    sums[0] += value * value;
  }
  const Floats sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return 1 / std::sqrt(sum_of(sum) / static_cast<float>(columns) + eps);
}

template <typename Isa, typename T>
DEMIX_INLINE void normalize_for(
    Strided<const T> x, int64_t rows, int64_t columns, const Normalization<T>& by, Strided<T> out) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* from = x.first + r * x.stride;
    T* to = out.first + r * out.stride;
    const float scale = inverse_size<Isa>(from, columns, by.eps);
    for (int64_t i = 0; i < columns; i += kLanes) {
      typename Isa::Floats value, factor;
      Isa::load(from + i, value);
      Isa::load(by.weight + i, factor);
      Isa::store(value * scale * factor, to + i);
    }
  }
}

template <typename Isa, bool kAdd, typename T>
DEMIX_INLINE void finish_block(const Block& block, const T* bias, Strided<T> out) {
  for (int64_t r = 0; r < block.rows; ++r) {
    const float* from = block.values + r * kBlockColumns;
    T* to = out.first + r * out.stride;
    for (int64_t c = 0; c < block.columns; c += kLanes) {
      typename Isa::Floats value, more;
      load(from + c, value);
      if (bias) {
        Isa::load(bias + c, more);
        value += more;
      }
      if (kAdd) {
        Isa::load(to + c, more);
        value += more;
      }
      Isa::store(value, to + c);
    }
  }
}
template <typename Isa, typename T>
DEMIX_INLINE void store_block_for(const Block& block, const T* bias, Strided<T> out) {
  finish_block<Isa, false>(block, bias, out);
}
template <typename Isa, typename T>
DEMIX_INLINE void add_block_for(const Block& block, const T* bias, Strided<T> x) {
  finish_block<Isa, true>(block, bias, x);
}

template <typename Isa, typename T>
DEMIX_INLINE void store_gated_block_for(const Block& block,
                                        const GateBiases<T>& biases,
                                        Strided<T> out) {
  for (int64_t r = 0; r < block.rows; ++r) {
    const float* from = block.values + r * kBlockColumns;
    T* to = out.first + r * out.stride;
    for (int64_t c = 0; c < block.columns; c += kLanes) {
      typename Isa::Floats gate, up, bias;
      load(from + c, gate);
      load(from + kBlockColumns / 2 + c, up);
      if (biases.gate) {
        Isa::load(biases.gate + c, bias);
        gate += bias;
        Isa::load(biases.up + c, bias);
        up += bias;
      }
      // e⁻ᵍ of gates below -64 would leave what invert() takes; such gates let nothing through.
      typename Isa::Floats power = -gate;
      Isa::limit(power, 64.0F);
      Isa::exponentiate(power);
      power += 1.0F;
      Isa::invert(power);
      Isa::store(gate * up * power, to + c);
    }
  }
}

template <typename Isa, typename T>
DEMIX_INLINE void rotate_heads_for(Strided<T> x,
                                   int64_t rows,
                                   int64_t heads,
                                   int64_t head_dim,
                                   const Rotation& rotation,
                                   const Normalization<T>& norm) {
  const int64_t half = head_dim / 2;
  for (int64_t r = 0; r < rows; ++r) {
    const float* cos = rotation.cos + rotation.positions[r] * half;
    const float* sin = rotation.sin + rotation.positions[r] * half;
    for (int64_t h = 0; h < heads; ++h) {
      T* head = x.first + r * x.stride + h * head_dim;
      const float scale = norm.weight ? inverse_size<Isa>(head, head_dim, norm.eps) : 1;
      for (int64_t d = 0; d < half; d += kLanes) {
        const int64_t count = half - d;
        typename Isa::Floats a, b, c, s;
        load_first<Isa>(head + d, count, a);
        load_first<Isa>(head + half + d, count, b);
        load_first<Isa>(cos + d, count, c);
        load_first<Isa>(sin + d, count, s);
        if (norm.weight) {
          typename Isa::Floats factor;
          load_first<Isa>(norm.weight + d, count, factor);
          a *= factor * scale;
          load_first<Isa>(norm.weight + half + d, count, factor);
          b *= factor * scale;
        }
        store_first<Isa>(a * c - b * s, count, head + d);
        store_first<Isa>(b * c + a * s, count, head + half + d);
      }
    }
  }
}

template <typename Isa>
DEMIX_INLINE void add_logits_for(const Block& block, LaneSums* sums) {
  using Floats = typename Isa::Floats;
  constexpr int64_t kVectors = kBlockColumns / kLanes;
  const Floats lane = lane_numbers<Floats>(), lowest = every_lane<Floats>(-INFINITY);
  for (int64_t r = 0; r < block.rows; ++r) {
    Floats x[kVectors], largest, sum;
    load(sums[r].largest, largest);
    load(sums[r].sum, sum);
    const Floats before = largest;
    for (int i = 0; i < kVectors; ++i) {
      load(block.values + r * kBlockColumns + i * kLanes, x[i]);
      if (block.columns < kBlockColumns) {
        const auto left = static_cast<float>(block.columns - i * kLanes);
        x[i] = choose(lane < left, x[i], lowest);
      }
      largest = choose(x[i] > largest, x[i], largest);
    }
    // A lane that has seen nothing but -inf would give -inf - -inf.
    Floats factor = choose(before == largest, Floats{}, before - largest);
    Isa::exponentiate(factor);
    sum *= factor;
    for (int i = 0; i < kVectors; ++i) {
      x[i] = choose(x[i] == lowest, x[i], x[i] - largest);
      Isa::exponentiate(x[i]);
      sum += x[i];
    }
    store(largest, sums[r].largest);
    store(sum, sums[r].sum);
  }
}

}  // namespace

#define DEMIX_FOR(T)                                                                           \
  DEMIX_KERNEL(normalize,                                                                      \
               (Strided<const T> x,                                                            \
                int64_t rows,                                                                  \
                int64_t columns,                                                               \
                const Normalization<T>& by,                                                    \
                Strided<T> out),                                                               \
               (x, rows, columns, by, out))                                                    \
  DEMIX_KERNEL(                                                                                \
      store_block, (const Block& block, const T* bias, Strided<T> out), (block, bias, out))    \
  DEMIX_KERNEL(add_block, (const Block& block, const T* bias, Strided<T> x), (block, bias, x)) \
  DEMIX_KERNEL(store_gated_block,                                                              \
               (const Block& block, const GateBiases<T>& biases, Strided<T> out),              \
               (block, biases, out))                                                           \
  DEMIX_KERNEL(rotate_heads,                                                                   \
               (Strided<T> x,                                                                  \
                int64_t rows,                                                                  \
                int64_t heads,                                                                 \
                int64_t head_dim,                                                              \
                const Rotation& rotation,                                                      \
                const Normalization<T>& norm),                                                 \
               (x, rows, heads, head_dim, rotation, norm))
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR
DEMIX_KERNEL(add_logits, (const Block& block, LaneSums* sums), (block, sums))

LaneSums LaneSums::lowest() {
  LaneSums sums{};
  std::fill(std::begin(sums.largest), std::end(sums.largest), -INFINITY);
  return sums;
}

float largest_of(const LaneSums& sums) {
  return *std::max_element(std::begin(sums.largest), std::end(sums.largest));
}

double log_of_sum(const LaneSums& sums) {
  const double largest = largest_of(sums);
  double sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += sums.sum[i] * std::exp(sums.largest[i] - largest);
  return largest + std::log(sum);
}

}  // namespace demix
