// Sixteen floats at once, in GCC's and Clang's vector extensions: one source for every instruction
// set.
//
// Functions that use them are compiled for several processors by DEMIX_CPU_CLONES, and the best one
// is chosen when the program starts. Vectors are never passed by value: without AVX-512 that has no
// fixed ABI.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define DEMIX_CPU_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DEMIX_CPU_CLONES
#endif
#define DEMIX_INLINE inline __attribute__((always_inline))

namespace demix {

constexpr int64_t kLanes = 16;
typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t Words __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(32), aligned(2), may_alias));

// The upper half of a float32.
struct BFloat16 {
  uint16_t bits;
};

DEMIX_INLINE void load(const float* from, Floats& to) {
  to = *reinterpret_cast<const Floats*>(from);
}

DEMIX_INLINE void load(const BFloat16* from, Floats& to) {
  const Halves halves = *reinterpret_cast<const Halves*>(from);
  const Words words = __builtin_convertvector(halves, Words) << 16;
  std::memcpy(&to, &words, sizeof to);
}

DEMIX_INLINE void store(const Floats& from, float* to) { *reinterpret_cast<Floats*>(to) = from; }

// Rounds to nearest, ties to even; NaN stays NaN.
DEMIX_INLINE void store(const Floats& from, BFloat16* to) {
  Words words;
  std::memcpy(&words, &from, sizeof words);
  const Words rounded = (words + 0x7fff + ((words >> 16) & 1)) >> 16;
  const Words nan = (words & 0x7fffffff) > 0x7f800000 ? (words >> 16) | 0x40 : rounded;
  *reinterpret_cast<Halves*>(to) = __builtin_convertvector(nan, Halves);
}

DEMIX_INLINE float to_float(float value) { return value; }
DEMIX_INLINE float to_float(BFloat16 value) {
  const uint32_t word = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &word, sizeof result);
  return result;
}

// Sum and largest of the lanes, always in the same order.
DEMIX_INLINE float sum_of(const Floats& x) {
  float lanes[kLanes];
  std::memcpy(lanes, &x, sizeof lanes);
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}
DEMIX_INLINE float largest_of(const Floats& x) {
  float lanes[kLanes];
  std::memcpy(lanes, &x, sizeof lanes);
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; ++i)
      lanes[i] = lanes[i] > lanes[i + width] ? lanes[i] : lanes[i + width];
  return lanes[0];
}

// x = exp(x), relative error below 2e-7, for x in [-86, 88]; smaller x count as -86. NaN stays NaN.
DEMIX_INLINE void exponentiate(Floats& x) {
  x = x < -86.0F ? Floats{} - 86.0F : x;
  // Adding and taking away 1.5·2²³ rounds to a whole number.
  const Floats whole = (x * 1.44269504088896341F + 12582912.0F) - 12582912.0F;
  // ln 2 in two parts, so that the remainder is exact.
  const Floats r = (x - whole * 0.693359375F) - whole * -2.12194440e-4F;
  Floats p = r * 1.9875691500e-4F + 1.3981999507e-3F;  // Cephes' expf
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  Ints bits;
  std::memcpy(&bits, &p, sizeof bits);
  bits += __builtin_convertvector(whole, Ints) << 23;
  Floats scaled;
  std::memcpy(&scaled, &bits, sizeof scaled);
  x = x == x ? scaled : x;
}

}  // namespace demix
