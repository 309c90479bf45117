// Shapes of a decoder-only transformer, read from and written to Hugging Face's config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "demix/core/json.h"

namespace demix {

enum class Family { kLlama, kQwen2, kQwen3 };

// Llama 3.1's stretching of low RoPE frequencies (rope_type "llama3").
struct Llama3Scaling {
  double factor, low_freq_factor, high_freq_factor;
  int64_t original_max_positions;

  bool operator==(const Llama3Scaling&) const = default;
};

struct Architecture {
  Family family = Family::kLlama;
  int64_t vocabulary = 0, hidden = 0, layers = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0;
  int64_t max_positions = 2048;
  double rms_eps = 1e-5;
  double rope_theta = 10000;
  std::optional<Llama3Scaling> rope_scaling;
  bool tied_embeddings = true;
  bool qkv_bias = false, out_bias = false, mlp_bias = false;
  bool qk_norm = false;  // Qwen3: RMSNorm over head_dim on queries and keys
  double initializer_range = 0.02;
  std::optional<int64_t> bos, eos;

  // Reads config.json's both spellings (rope_theta/rope_scaling/torch_dtype and
  // rope_parameters/dtype). Throws Error, by name, on what is not supported: sliding windows in
  // use, YaRN, dynamic or linear RoPE, mixture-of-experts, other activations than SiLU, other model
  // types, wrong or missing sizes. `where` names the file in messages.
  static Architecture from_json(const Json& config, const std::string& where);
  // With the older spelling, which every version of transformers reads. `dtype`: "float32",
  // "bfloat16", …
  Json to_json(const std::string& dtype) const;

  // Throws Error when sizes are out of range or do not fit each other (odd head_dim, heads that
  // kv_heads does not divide, …). from_json calls it; an architecture made by hand should.
  void check(const std::string& where) const;

  bool operator==(const Architecture&) const = default;
};

// What differs between two models' computations, as "hidden_size: 128 and 256"; empty when weights
// of one can be merged into the other. bos, eos, initializer_range and max_positions are not
// compared: they do not change what the weights mean.
std::vector<std::string> differences(const Architecture& a, const Architecture& b);

// One parameter of a model inside its flat buffer.
struct ParameterSpec {
  std::string name;  // Hugging Face's, such as "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape;
  int64_t offset;  // elements; a multiple of 64, so that every parameter starts on a cache line
  int64_t count;   // elements
};

// All parameters in flat-buffer order. Tied embeddings appear once, as "model.embed_tokens.weight".
// Query, key and value matrices are neighbours, and so are gate and up: where their sizes are
// multiples of 64, one view spans them.
std::vector<ParameterSpec> parameter_layout(const Architecture& architecture);
// Elements of the flat buffer, padding included.
int64_t flat_size(const Architecture& architecture);
// Parameters without padding.
int64_t parameter_count(const Architecture& architecture);
// Floating-point operations of the matrix products for one token forward (2 per multiply-add),
// without attention scores; `with_head` adds the output projection. Training costs three times as
// much.
double forward_flops_per_token(const Architecture& architecture, bool with_head);

}  // namespace demix
