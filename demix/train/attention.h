// Causal attention over packed rows: documents that share a row do not see each other.
//
// B rows of T tokens, N = B T; H query heads, G key-value heads, D head dimension.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

namespace demix {

// Token i of a row sees the tokens [begins[i], i] of that row. Immutable; one serves all layers of
// a pass.
class PackedAttention {
 public:
  // begins [B, T]: columns, as in PackedBatch.
  PackedAttention(std::span<const int32_t> begins, int64_t length, at::Device device);

  // queries [N, H, D], keys and values [N, G, D] -> [N, H, D]; differentiable. On the CPU in
  // float32 and bfloat16 all products are batched matrix products over blocks of queries whose
  // scores stay in the cache; the backward pass computes the scores again, so memory grows with T,
  // not T².
  at::Tensor operator()(const at::Tensor& queries,
                        const at::Tensor& keys,
                        const at::Tensor& values) const;

  struct Rows {
    std::vector<int32_t> begins;
    int64_t length;
  };

 private:
  std::shared_ptr<const Rows> rows_;
  at::Tensor mask_;  // [B, 1, T, T] where the plain expression is used, else built when needed
};

}  // namespace demix
