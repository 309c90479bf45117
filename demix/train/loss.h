// Cross entropy of the output projection and its gradients, without ever holding all logits.
//
// N tokens, C hidden width, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace demix {

struct HeadLoss {
  double sum = 0;          // of -ln p(target) over the predicted tokens, nats
  at::Tensor d_hidden_NC;  // gradient of scale * sum, in the hidden states' dtype
};

// Logits are hidden headᵀ, rounded to the hidden states' dtype; softmax and sums are float32.
// Targets whose predicts is 0 count neither in the loss nor in the gradients. The gradient of the
// head is added to d_head_VC (float32, or float64 for float64 hidden states). Works in blocks of
// tokens whose logits stay in the cache. Not a node of autograd: hand d_hidden to hidden.backward.
HeadLoss head_loss(const at::Tensor& hidden_NC,
                   const at::Tensor& head_VC,
                   std::span<const int32_t> targets_N,
                   std::span<const uint8_t> predicts_N,
                   double scale,
                   const at::Tensor& d_head_VC);

}  // namespace demix
