// Linear merge (Wortsman et al. 2022, "Model soups"; the proxy of the DeMix paper, section 3.2):
//
//   W = Σ_k w_k Θ_k
//
// Parameters: the weights w, used as they are. With the base as one more model, weights
// (1 − λ, λα_1, …, λα_K) give W = base + λ Σ α_k (Θ_k − base).
//
// M merges of the same K models of P numbers are one product (M×K)·(K×P): every model is read once.
#pragma once

#include <cstdint>
#include <span>

#include "demix/core/simd.h"

namespace demix {

// Where the merged numbers go.
enum class Stores {
  kCached,     // through the caches: results that are read again soon, or small ones
  kStreaming,  // past the caches, which saves reading the old content; for large results
};

// outs[m][i] = Σ_k weights[m·K + k] · models[k][i] for i in [0, count), K models and M outs:
// accumulated in float32 in the order of the models, rounded once, to nearest even. A result does
// not depend, to the bit, on the other outs, on `count` or on alignment. Weights must be finite.
// No out overlaps a model or another out. On the calling thread, vectorised for the machine it runs
// on.
void merge_linear(std::span<const float* const> models,
                  std::span<const float> weights,
                  int64_t count,
                  std::span<float* const> outs,
                  Stores stores = Stores::kCached);
void merge_linear(std::span<const float* const> models,
                  std::span<const float> weights,
                  int64_t count,
                  std::span<BFloat16* const> outs,
                  Stores stores = Stores::kCached);
void merge_linear(std::span<const BFloat16* const> models,
                  std::span<const float> weights,
                  int64_t count,
                  std::span<float* const> outs,
                  Stores stores = Stores::kCached);
void merge_linear(std::span<const BFloat16* const> models,
                  std::span<const float> weights,
                  int64_t count,
                  std::span<BFloat16* const> outs,
                  Stores stores = Stores::kCached);

// One merge.
template <typename In, typename Out>
void merge_linear(std::span<const In* const> models,
                  std::span<const float> weights,
                  int64_t count,
                  Out* out) {
  merge_linear(models, weights, count, std::span<Out* const>(&out, 1));
}

}  // namespace demix
