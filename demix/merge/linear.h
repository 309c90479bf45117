// Linear merge (Wortsman et al. 2022, "Model soups"; the proxy of the DeMix paper, section 3.2):
//
//   W = Σ_k w_k Θ_k
//
// Parameters: the weights w, used as they are. With the base as one more model, weights
// (1 − λ, λα_1, …, λα_K) give W = base + λ Σ α_k (Θ_k − base).
#pragma once

#include <cstdint>
#include <span>

namespace demix {

// A bfloat16 number's bits: the upper half of the float32.
enum class Bf16 : uint16_t {};

// out[i] = Σ_k weights[k] · models[k][i] for i in [0, count): accumulated in float32 in the order
// of the models, rounded once, to nearest even. Reads every model once; touches nothing else.
// Vectorised for the machine it runs on.
void merge_linear(std::span<const float* const> models,
                  std::span<const float> weights,
                  int64_t count,
                  float* out);
void merge_linear(std::span<const float* const> models,
                  std::span<const float> weights,
                  int64_t count,
                  Bf16* out);
void merge_linear(std::span<const Bf16* const> models,
                  std::span<const float> weights,
                  int64_t count,
                  float* out);
void merge_linear(std::span<const Bf16* const> models,
                  std::span<const float> weights,
                  int64_t count,
                  Bf16* out);

}  // namespace demix
