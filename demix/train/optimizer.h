// AdamW over a model's flat buffer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "demix/model/architecture.h"

namespace demix {

struct AdamWConfig {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.1;  // decoupled; on matrices (embeddings too), not on norms and biases
};

// Loshchilov and Hutter 2019, with torch.optim.AdamW's arithmetic. Holds float32 moments for
// float32 weights on the same device.
class AdamW {
 public:
  // For buffers of `size` elements that hold the parameters of `layout`.
  AdamW(std::span<const ParameterSpec> layout,
        int64_t size,
        const AdamWConfig& config,
        at::Device device);

  // One step with the given gradient; `step` counts from one. All tensors are flat buffers.
  void step(const at::Tensor& weights,
            const at::Tensor& gradient,
            double learning_rate,
            int64_t step);

  // [size], float32: what a checkpoint holds.
  const at::Tensor& mean() const { return mean_; }
  const at::Tensor& variance() const { return variance_; }

 private:
  // Neighbouring parameters with the same decay, as one range of the buffer.
  struct Range {
    int64_t offset, count;
    bool decays;
  };
  std::vector<Range> ranges_;
  AdamWConfig config_;
  at::Tensor mean_, variance_;
};

// Euclidean norm of a flat gradient; padding must be zero.
double gradient_norm(const at::Tensor& gradient);

}  // namespace demix
