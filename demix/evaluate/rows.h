// What happens between a model's products on the CPU, a pass over rows at a time. All arithmetic is
// float32, and a row depends bitwise on nothing but itself. Element types are float and BFloat16.
//
// Rows are readable and writable up to whole vectors (kLanes elements), behind their columns too:
// zeros there stay zeros. Blocks are those of product.h.
#pragma once

#include <cstdint>

#include "demix/core/simd.h"
#include "demix/evaluate/product.h"

namespace demix {

// The first of some rows, which lie `stride` elements apart.
template <typename T>
struct Strided {
  T* first;
  int64_t stride;
};

// out = x / sqrt(mean(x²) + eps) · weight. `weight` is padded with zeros to whole vectors.
template <typename T>
struct Normalization {
  const T* weight;
  float eps;
};
void normalize(Strided<const float> x,
               int64_t rows,
               int64_t columns,
               const Normalization<float>& by,
               Strided<float> out);
void normalize(Strided<const BFloat16> x,
               int64_t rows,
               int64_t columns,
               const Normalization<BFloat16>& by,
               Strided<BFloat16> out);

// out = block + bias. Biases are null or padded with zeros to whole blocks.
void store_block(const Block& block, const float* bias, Strided<float> out);
void store_block(const Block& block, const BFloat16* bias, Strided<BFloat16> out);
// x += block + bias.
void add_block(const Block& block, const float* bias, Strided<float> x);
void add_block(const Block& block, const BFloat16* bias, Strided<BFloat16> x);

// out = silu(gate + gate_bias) · (up + up_bias). The first half of the block's kBlockColumns are
// gates, the second half their ups; `columns` counts the pairs.
template <typename T>
struct GateBiases {
  const T *gate, *up;  // both or none are null
};
void store_gated_block(const Block& block, const GateBiases<float>& biases, Strided<float> out);
void store_gated_block(const Block& block,
                       const GateBiases<BFloat16>& biases,
                       Strided<BFloat16> out);

// Of each row, `heads` vectors of head_dim elements one after the other: normalised unless the
// weight is null, then pairs (d, d + head_dim / 2) turned by the angles of the row's position; cos
// and sin are [positions, head_dim / 2].
struct Rotation {
  const int32_t* positions;
  const float* cos;
  const float* sin;
};
void rotate_heads(Strided<float> x,
                  int64_t rows,
                  int64_t heads,
                  int64_t head_dim,
                  const Rotation& rotation,
                  const Normalization<float>& norm);
void rotate_heads(Strided<BFloat16> x,
                  int64_t rows,
                  int64_t heads,
                  int64_t head_dim,
                  const Rotation& rotation,
                  const Normalization<BFloat16>& norm);

// Σ exp(logit) of a row, in every lane apart: sum · exp(largest). Begins with lowest().
struct LaneSums {
  float largest[kLanes];
  float sum[kLanes];
  static LaneSums lowest();
};
// Adds the logits of each row of a block. A NaN makes the row's sum NaN.
void add_logits(const Block& block, LaneSums* sums);
double log_of_sum(const LaneSums& sums);
// The largest logit added.
float largest_of(const LaneSums& sums);

}  // namespace demix
