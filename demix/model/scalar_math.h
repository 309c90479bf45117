// Scalar arithmetic over float32 and bfloat16 in loops that the compiler vectorises, in functions
// marked DEMIX_CPU_CLONES.
#pragma once

#include <bit>
#include <cstdint>

#include "demix/core/simd.h"

namespace demix {

// Round to nearest, ties to even; NaN stays NaN.
DEMIX_INLINE void store(float& to, float x) { to = x; }
DEMIX_INLINE void store(BFloat16& to, float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  to.bits = x == x ? static_cast<uint16_t>(rounded) : uint16_t{0x7fc0};
}

// e^x to 1e-7 relative (Cephes' polynomial), for x in [-87, 88]; smaller x give e^-87, NaN stays
// NaN.
DEMIX_INLINE float exp_float(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float kRound =
      12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // 2^n, written into the exponent.
  const uint32_t power = (std::bit_cast<uint32_t>(shifted) + 127u) << 23;
  return p * std::bit_cast<float>(power);
}

DEMIX_INLINE float sigmoid(float x) { return 1.0f / (1.0f + exp_float(-x)); }

}  // namespace demix
