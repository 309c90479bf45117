#include "demix/evaluate/rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "demix/evaluate/product.h"

namespace demix {
namespace {

// Elements behind the last whole vector.
template <typename T>
DEMIX_INLINE void load_part(const T* from, int64_t count, Floats& to) {
  to = Floats{};
  for (int64_t i = 0; i < count; ++i) to[i] = to_float(from[i]);
}
template <typename T>
DEMIX_INLINE void store_part(const Floats& from, int64_t count, T* to) {
  T lanes[kLanes];
  store(from, lanes);
  for (int64_t i = 0; i < count; ++i) to[i] = lanes[i];
}

// 1 / sqrt(mean(x²) + eps) of a row read by `read(i, vector)`.
template <typename Read>
DEMIX_INLINE float inverse_size(int64_t columns, float eps, const Read& read) {
  Floats sums[4] = {}, x;
  int64_t i = 0;
  for (; i + 4 * kLanes <= columns; i += 4 * kLanes)
    for (int part = 0; part < 4; ++part) {
      read(i + part * kLanes, x);
      sums[part] += x * x;
    }
  for (; i < columns; i += kLanes) {
    read(i, x);
    sums[0] += x * x;
  }
  const Floats sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return 1 / std::sqrt(sum_of(sum) / static_cast<float>(columns) + eps);
}

template <typename T>
DEMIX_INLINE void normalize_all(const T* x,
                                int64_t x_stride,
                                const T* weight,
                                float eps,
                                int64_t rows,
                                int64_t columns,
                                T* out,
                                int64_t out_stride) {
  for (int64_t r = 0; r < rows; ++r, x += x_stride, out += out_stride) {
    const float scale =
        inverse_size(columns, eps, [&](int64_t i, Floats& value) { load(x + i, value); });
    for (int64_t i = 0; i < columns; i += kLanes) {
      Floats value, factor;
      load(x + i, value);
      load(weight + i, factor);
      store(value * scale * factor, out + i);
    }
  }
}

template <bool kAdd, typename T>
DEMIX_INLINE void finish_block(
    const float* block, int64_t rows, int64_t columns, const T* bias, T* out, int64_t stride) {
  for (int64_t r = 0; r < rows; ++r, block += kBlockColumns, out += stride) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      Floats value, more;
      load(block + c, value);
      if (bias) {
        load(bias + c, more);
        value += more;
      }
      if (kAdd) {
        load(out + c, more);
        value += more;
      }
      store(value, out + c);
    }
  }
}

template <typename T>
DEMIX_INLINE void gate_block(const float* block,
                             int64_t rows,
                             int64_t columns,
                             const T* gate_bias,
                             const T* up_bias,
                             T* out,
                             int64_t stride) {
  for (int64_t r = 0; r < rows; ++r, block += kBlockColumns, out += stride) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      Floats gate, up, bias;
      load(block + c, gate);
      load(block + kBlockColumns / 2 + c, up);
      if (gate_bias) {
        load(gate_bias + c, bias);
        gate += bias;
        load(up_bias + c, bias);
        up += bias;
      }
      Floats power = -gate;
      exponentiate(power);
      store(gate * up / (power + 1.0F), out + c);
    }
  }
}

template <typename T>
DEMIX_INLINE void rotate_all(T* x,
                             int64_t stride,
                             int64_t rows,
                             int64_t heads,
                             int64_t head_dim,
                             const Rotation& rotation,
                             const T* weight,
                             float eps) {
  const int64_t half = head_dim / 2;
  for (int64_t r = 0; r < rows; ++r, x += stride) {
    const float* cos = rotation.cos + rotation.positions[r] * half;
    const float* sin = rotation.sin + rotation.positions[r] * half;
    for (int64_t h = 0; h < heads; ++h) {
      T* head = x + h * head_dim;
      float scale = 1;
      if (weight)
        scale = inverse_size(head_dim, eps, [&](int64_t i, Floats& value) {
          if (i + kLanes <= head_dim) {
            load(head + i, value);
          } else {
            load_part(head + i, head_dim - i, value);
          }
        });
      for (int64_t d = 0; d < half; d += kLanes) {
        const int64_t count = std::min(kLanes, half - d);
        Floats a, b, c, s;
        if (count == kLanes) {
          load(head + d, a);
          load(head + half + d, b);
          load(cos + d, c);
          load(sin + d, s);
        } else {
          load_part(head + d, count, a);
          load_part(head + half + d, count, b);
          load_part(cos + d, count, c);
          load_part(sin + d, count, s);
        }
        if (weight) {
          Floats wa, wb;
          load_part(weight + d, count, wa);
          load_part(weight + half + d, count, wb);
          a *= wa * scale;
          b *= wb * scale;
        }
        const Floats first = a * c - b * s, second = b * c + a * s;
        if (count == kLanes) {
          store(first, head + d);
          store(second, head + half + d);
        } else {
          store_part(first, count, head + d);
          store_part(second, count, head + half + d);
        }
      }
    }
  }
}

DEMIX_CPU_CLONES void add_all_logits(const float* block,
                                     int64_t rows,
                                     int64_t columns,
                                     LaneSums* sums) {
  constexpr int64_t kVectors = kBlockColumns / kLanes;
  Floats lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = static_cast<float>(i);
  for (int64_t r = 0; r < rows; ++r, block += kBlockColumns) {
    Floats x[kVectors], largest, sum;
    load(sums[r].largest, largest);
    load(sums[r].sum, sum);
    const Floats before = largest;
    for (int i = 0; i < kVectors; ++i) {
      load(block + i * kLanes, x[i]);
      if (columns < kBlockColumns) {
        const auto left = static_cast<float>(columns - i * kLanes);
        x[i] = lane < left ? x[i] : Floats{} - INFINITY;
      }
      largest = x[i] > largest ? x[i] : largest;
    }
    // A lane that has seen nothing but -inf would give -inf - -inf.
    Floats factor = before == largest ? Floats{} : before - largest;
    exponentiate(factor);
    sum *= factor;
    for (int i = 0; i < kVectors; ++i) {
      x[i] = x[i] == Floats{} - INFINITY ? x[i] : x[i] - largest;
      exponentiate(x[i]);
      sum += x[i];
    }
    store(largest, sums[r].largest);
    store(sum, sums[r].sum);
  }
}

// Clones need plain functions, one per element type.
#define DEMIX_FOR(T)                                                                              \
  DEMIX_CPU_CLONES void run_normalize(const T* x,                                                 \
                                      int64_t x_stride,                                           \
                                      const T* weight,                                            \
                                      float eps,                                                  \
                                      int64_t rows,                                               \
                                      int64_t columns,                                            \
                                      T* out,                                                     \
                                      int64_t out_stride) {                                       \
    normalize_all(x, x_stride, weight, eps, rows, columns, out, out_stride);                      \
  }                                                                                               \
  DEMIX_CPU_CLONES void run_store(                                                                \
      const float* block, int64_t rows, int64_t columns, const T* bias, T* out, int64_t stride) { \
    finish_block<false>(block, rows, columns, bias, out, stride);                                 \
  }                                                                                               \
  DEMIX_CPU_CLONES void run_add(                                                                  \
      const float* block, int64_t rows, int64_t columns, const T* bias, T* x, int64_t stride) {   \
    finish_block<true>(block, rows, columns, bias, x, stride);                                    \
  }                                                                                               \
  DEMIX_CPU_CLONES void run_gate(const float* block,                                              \
                                 int64_t rows,                                                    \
                                 int64_t columns,                                                 \
                                 const T* gate_bias,                                              \
                                 const T* up_bias,                                                \
                                 T* out,                                                          \
                                 int64_t stride) {                                                \
    gate_block(block, rows, columns, gate_bias, up_bias, out, stride);                            \
  }                                                                                               \
  DEMIX_CPU_CLONES void run_rotate(T* x,                                                          \
                                   int64_t stride,                                                \
                                   int64_t rows,                                                  \
                                   int64_t heads,                                                 \
                                   int64_t head_dim,                                              \
                                   const Rotation& rotation,                                      \
                                   const T* weight,                                               \
                                   float eps) {                                                   \
    rotate_all(x, stride, rows, heads, head_dim, rotation, weight, eps);                          \
  }
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR

}  // namespace

template <typename T>
void normalize(const T* x,
               int64_t x_stride,
               const T* weight,
               float eps,
               int64_t rows,
               int64_t columns,
               T* out,
               int64_t out_stride) {
  run_normalize(x, x_stride, weight, eps, rows, columns, out, out_stride);
}

template <typename T>
void store_block(
    const float* block, int64_t rows, int64_t columns, const T* bias, T* out, int64_t stride) {
  run_store(block, rows, columns, bias, out, stride);
}

template <typename T>
void add_block(
    const float* block, int64_t rows, int64_t columns, const T* bias, T* x, int64_t stride) {
  run_add(block, rows, columns, bias, x, stride);
}

template <typename T>
void store_gated_block(const float* block,
                       int64_t rows,
                       int64_t columns,
                       const T* gate_bias,
                       const T* up_bias,
                       T* out,
                       int64_t stride) {
  run_gate(block, rows, columns, gate_bias, up_bias, out, stride);
}

template <typename T>
void rotate_heads(T* x,
                  int64_t stride,
                  int64_t rows,
                  int64_t heads,
                  int64_t head_dim,
                  const Rotation& rotation,
                  const T* weight,
                  float eps) {
  run_rotate(x, stride, rows, heads, head_dim, rotation, weight, eps);
}

LaneSums LaneSums::lowest() {
  LaneSums sums{};
  std::fill(std::begin(sums.largest), std::end(sums.largest), -INFINITY);
  return sums;
}

void add_logits(const float* block, int64_t rows, int64_t columns, LaneSums* sums) {
  add_all_logits(block, rows, columns, sums);
}

double log_of_sum(const LaneSums& sums) {
  const double largest = *std::max_element(std::begin(sums.largest), std::end(sums.largest));
  double sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += sums.sum[i] * std::exp(sums.largest[i] - largest);
  return largest + std::log(sum);
}

#define DEMIX_FOR(T)                                                                          \
  template void normalize(const T*, int64_t, const T*, float, int64_t, int64_t, T*, int64_t); \
  template void store_block(const float*, int64_t, int64_t, const T*, T*, int64_t);           \
  template void add_block(const float*, int64_t, int64_t, const T*, T*, int64_t);             \
  template void store_gated_block(                                                            \
      const float*, int64_t, int64_t, const T*, const T*, T*, int64_t);                       \
  template void rotate_heads(                                                                 \
      T*, int64_t, int64_t, int64_t, int64_t, const Rotation&, const T*, float);
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR

}  // namespace demix
