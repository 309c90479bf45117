// A model's parameters in one flat buffer. Merging, optimising and hashing are single passes over
// it.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "demix/core/rng.h"
#include "demix/model/architecture.h"

namespace demix {

struct Weights {
  at::Tensor flat;                  // [flat_size], one dtype, one device; padding is zero
  std::vector<at::Tensor> tensors;  // views into `flat`, in the order of parameter_layout
};

// Views over an existing flat buffer.
Weights weights_over(const Architecture& architecture, at::Tensor flat);
// Normal(0, initializer_range) matrices (residual outputs scaled by 1/sqrt(2 layers)), norms one,
// biases zero. The same numbers on every device.
Weights initial_weights(const Architecture& architecture, const Rng& rng);  // float32, CPU

// A Hugging Face folder: config.json and (sharded) safetensors.
Architecture load_architecture(const std::filesystem::path& folder);
// Casts to `dtype` on `device`. Throws Error naming tensors that are missing, superfluous or of
// another shape, and non-finite values.
Weights load_weights(const std::filesystem::path& folder,
                     const Architecture& architecture,
                     at::ScalarType dtype,
                     at::Device device);
// Writes config.json and model.safetensors into `folder` (created), each complete or absent;
// tokenizer files are copied from `tokenizer` unless empty. The result loads in transformers.
void save_model(const std::filesystem::path& folder,
                const Architecture& architecture,
                const Weights& weights,
                at::ScalarType dtype,
                const std::filesystem::path& tokenizer);

// SHA-256 over architecture, dtype and the flat buffer's bytes.
std::string weights_hash(const Architecture& architecture, const Weights& weights);

}  // namespace demix
