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

class Checkpoint;

struct Weights {
  at::Tensor flat;                  // [flat_size], one dtype, one device; padding is zero
  std::vector<at::Tensor> tensors;  // views into `flat`, in the order of parameter_layout
};

// Views over an existing flat buffer of flat_size elements.
Weights weights_over(const Architecture& architecture, at::Tensor flat);
// Normal(0, initializer_range) matrices (residual outputs scaled by 1/sqrt(2 layers)), norms one,
// biases zero. The same numbers on every device.
Weights initial_weights(const Architecture& architecture, const Rng& rng);  // float32, CPU

// A Hugging Face folder: config.json and (sharded) safetensors in float32, bfloat16 or float16.
Architecture load_architecture(const std::filesystem::path& folder);
// Casts to `dtype` on `device`. Throws Error naming tensors that are missing, superfluous or of
// another shape or dtype, and tensors with values that are not finite. Accepted beside the layout:
// an lm_head.weight that repeats tied embeddings, and old checkpoints' rotary_emb.inv_freq.
Weights load_weights(const std::filesystem::path& folder,
                     const Architecture& architecture,
                     at::ScalarType dtype,
                     at::Device device);
// The part of it that needs no values: throws Error unless the tensors are the architecture's.
void check_tensors(const Checkpoint& checkpoint, const Architecture& architecture);
// Writes config.json and model.safetensors into `folder` (created), each complete or absent,
// config.json last; tokenizer files are copied from `tokenizer` (a folder or a tokenizer.json)
// unless empty. Weights of more than `max_shard_bytes` are written as shards with an index. The
// result loads in transformers.
void save_model(const std::filesystem::path& folder,
                const Architecture& architecture,
                const Weights& weights,
                at::ScalarType dtype,
                const std::filesystem::path& tokenizer,
                int64_t max_shard_bytes = 5'000'000'000);

// SHA-256 over architecture, dtype and the flat buffer's bytes.
std::string weights_hash(const Architecture& architecture, const Weights& weights);

}  // namespace demix
