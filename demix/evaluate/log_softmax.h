// Log-probabilities of a few tokens per row, from logits that arrive in blocks of the vocabulary.
#pragma once

#include <cstdint>
#include <span>

#include "demix/core/simd.h"

namespace demix {

// Σ exp(logit) of a row so far, as sum · exp(largest).
struct RunningSum {
  float largest;
  float sum;
};

// Adds the logits [rows, columns], rows `stride` elements apart, to the rows' sums; start from
// {-inf, 0}. In float32; a NaN among the logits makes the sum NaN.
void add_logits(const float* logits, int64_t columns, int64_t stride, std::span<RunningSum> sums);
void add_logits(const BFloat16* logits,
                int64_t columns,
                int64_t stride,
                std::span<RunningSum> sums);

}  // namespace demix
