// What happens between a model's products on the CPU, a pass over rows at a time. All arithmetic is
// float32, and a row depends bitwise on nothing but itself.
//
// Rows lie `stride` elements apart and are readable and writable up to whole vectors (kLanes
// elements), behind their columns too: zeros there stay zeros. Blocks are those of product.h.
#pragma once

#include <cstdint>

#include "demix/core/simd.h"

namespace demix {

// out = x / sqrt(mean(x²) + eps) · weight. `weight` is padded with zeros to whole vectors.
template <typename T>
void normalize(const T* x,
               int64_t x_stride,
               const T* weight,
               float eps,
               int64_t rows,
               int64_t columns,
               T* out,
               int64_t out_stride);

// out = block + bias; x += block + bias. `bias` is padded with zeros to whole blocks.
template <typename T>
void store_block(
    const float* block, int64_t rows, int64_t columns, const T* bias, T* out, int64_t stride);
template <typename T>
void add_block(
    const float* block, int64_t rows, int64_t columns, const T* bias, T* x, int64_t stride);

// out = silu(gate) · up. The block's first half are gates, its second half ups, each with its bias.
template <typename T>
void store_gated_block(const float* block,
                       int64_t rows,
                       int64_t columns,
                       const T* gate_bias,
                       const T* up_bias,
                       T* out,
                       int64_t stride);

// Of each row, `heads` vectors of head_dim elements one after the other: normalised like
// normalize() if `weight` is not null, then pairs (d, d + head_dim / 2) turned by the angles of the
// row's position; cos and sin are [positions, head_dim / 2].
struct Rotation {
  const int32_t* positions;
  const float* cos;
  const float* sin;
};
template <typename T>
void rotate_heads(T* x,
                  int64_t stride,
                  int64_t rows,
                  int64_t heads,
                  int64_t head_dim,
                  const Rotation& rotation,
                  const T* weight,
                  float eps);

// Σ exp(logit) of a row, in every lane apart: sum · exp(largest). Begins with lowest().
struct LaneSums {
  float largest[kLanes];
  float sum[kLanes];
  static LaneSums lowest();
};
// Adds the first `columns` logits of each row of a block. A NaN makes the row's sum NaN.
void add_logits(const float* block, int64_t rows, int64_t columns, LaneSums* sums);
double log_of_sum(const LaneSums& sums);

}  // namespace demix
