// The parts of a decoder that are not matrix products, differentiable. On the CPU in float32 and
// bfloat16 each is one pass over memory in which all arithmetic is float32; elsewhere they are
// plain tensor expressions.
//
// The passes run on the calling thread alone: work is spread over threads by rows of a batch, a
// level above, which costs no synchronisation within a layer.
//
// N tokens, C channels, H heads, D head dimension.
#pragma once

#include <ATen/core/Tensor.h>

namespace demix {

// x [..., C] / sqrt(mean(x²) + eps) * weight [C], in x's dtype.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

// silu(gate) * up.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

// Rotates pairs (d, d + D/2) of x [N, H, D] by the angles whose cos and sin are [N, 1, D/2],
// float32.
at::Tensor apply_rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

// Rows ids [N] of table [V, C]; the table's gradient is summed in float32 and rounded once.
at::Tensor embed(const at::Tensor& table, const at::Tensor& ids_N);

}  // namespace demix
