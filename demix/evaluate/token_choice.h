// The next token out of a model's logits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "demix/core/rng.h"

namespace demix {

// temperature 0: always the likeliest token, the first of equal ones. Else tokens are drawn from
// softmax(logits / temperature), of the top_k likeliest (0: all), of these the likeliest that
// together have at least top_p; as transformers does.
struct SamplingConfig {
  double temperature = 0;
  int64_t top_k = 0;
  double top_p = 1;
  uint64_t seed = 1;
  void check() const;
};

// Nothing when a logit is NaN, or none is finite.
std::optional<int32_t> choose_token(std::span<const float> logits,
                                    const SamplingConfig& config,
                                    Rng& rng);

}  // namespace demix
