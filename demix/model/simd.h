// Loops over float32 and bfloat16 that the compiler vectorises for the processor at hand.
#pragma once

#include <bit>
#include <cstdint>

// A function with this mark is compiled once per instruction set; the loader picks. Everything that
// it calls in its loops must be DEMIX_INLINE.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define DEMIX_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define DEMIX_CLONES
#endif
#define DEMIX_INLINE inline __attribute__((always_inline))

namespace demix {

// The bits of c10::BFloat16, without its branches.
struct Bf16 {
  uint16_t bits;
};

DEMIX_INLINE float to_float(float x) { return x; }
DEMIX_INLINE float to_float(Bf16 x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }

// Round to nearest, ties to even; NaN stays NaN.
DEMIX_INLINE void store(float& to, float x) { to = x; }
DEMIX_INLINE void store(Bf16& to, float x) {
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
