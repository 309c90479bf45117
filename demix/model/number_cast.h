// Numbers as a file has them into numbers as a model has them, on the calling thread alone.
#pragma once

#include <cstdint>
#include <span>

#include "demix/model/scalar_math.h"

namespace demix {

// Rounds to nearest, ties to even; NaN stays NaN. The spans are of one size.
void cast(std::span<const float> from, std::span<BFloat16> to);
void cast(std::span<const BFloat16> from, std::span<float> to);

bool all_finite(std::span<const float> values);
bool all_finite(std::span<const BFloat16> values);

}  // namespace demix
