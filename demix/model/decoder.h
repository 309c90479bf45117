// The forward pass of Llama, Qwen2 and Qwen3 decoders.
//
// N tokens (all sequences of a batch, one after the other), H query heads, G key-value heads, D
// head dimension, C hidden width, V vocabulary.
//
// Training, scoring on accelerators and generation share this pass; they differ only in how tokens
// see each other, which the caller passes in. (Scoring on the CPU has a pass of its own:
// evaluate/forward.h.)
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "demix/model/weights.h"

namespace demix {

struct ForwardPolicy {
  // (layer, queries [N, H, D], keys [N, G, D], values [N, G, D]) -> [N, H, D]; RoPE is already
  // applied.
  std::function<at::Tensor(int64_t, const at::Tensor&, const at::Tensor&, const at::Tensor&)>
      attend;
};

class Decoder {
 public:
  Decoder(Architecture architecture, at::Device device);

  const Architecture& architecture() const { return architecture_; }
  // ids_N, positions_N: int64. Returns hidden states after the final norm, [N, C], in the weights'
  // dtype. Norms and RoPE are computed in float32.
  at::Tensor hidden(const Weights& weights,
                    const at::Tensor& ids_N,
                    const at::Tensor& positions_N,
                    const ForwardPolicy& policy) const;
  // The output projection's matrix, [V, C] (the embedding when tied).
  const at::Tensor& head(const Weights& weights) const;
  const at::Tensor& embedding(const Weights& weights) const;   // [V, C]
  const at::Tensor& final_norm(const Weights& weights) const;  // [C]
  // A layer's parameters; undefined where the architecture has none.
  struct LayerTensors {
    at::Tensor input_norm, q, k, v, q_bias, k_bias, v_bias, q_norm, k_norm, out, out_bias;
    at::Tensor post_norm, gate, up, gate_bias, up_bias, down, down_bias;
  };
  LayerTensors layer(const Weights& weights, int64_t i) const;
  // Of the rotations in one position, [D/2], float32.
  const at::Tensor& inverse_frequencies() const { return inverse_frequencies_; }

  // Plain causal attention within each of the rows of ids [B, T]: logits [B, T, V] in the weights'
  // dtype. For parity tests and small uses.
  at::Tensor logits(const Weights& weights, const at::Tensor& ids_BT) const;

 private:
  Architecture architecture_;
  at::Tensor inverse_frequencies_;  // [D/2], float32
  // Where a layer's parameters lie in Weights::tensors; -1 where the architecture has none.
  struct Layer {
    int64_t input_norm, q, k, v, q_bias, k_bias, v_bias, q_norm, k_norm, out, out_bias;
    int64_t post_norm, gate, up, gate_bias, up_bias, down, down_bias;
  };
  std::vector<Layer> layers_;
  int64_t embedding_, final_norm_, head_;
};

}  // namespace demix
