// Sixteen floats at once, in GCC's and Clang's vector extensions: one source for every instruction
// set.
//
// Functions that use them are compiled for several processors by DEMIX_CPU_CLONES, and the best one
// is chosen when the program starts. Only functions that are always inlined take or return vectors
// by value, which has no fixed ABI without AVX-512.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "demix/core/cpu.h"

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

// Without AVX-512, sixteen floats are two vectors of 32 bytes: compilers keep vectors that are
// longer than a register in memory between any two operations.
typedef float HalfFloats __attribute__((vector_size(32)));
typedef int32_t HalfInts __attribute__((vector_size(32)));
typedef uint32_t HalfWords __attribute__((vector_size(32)));
typedef uint16_t HalfHalves __attribute__((vector_size(16)));
struct TwoHalves {
  HalfFloats low, high;
};
struct TwoMasks {
  HalfInts low, high;
};
#define DEMIX_OF_TWO_HALVES(op)                                                 \
  DEMIX_INLINE TwoHalves operator op(const TwoHalves& a, const TwoHalves& b) {  \
    return {a.low op b.low, a.high op b.high};                                  \
  }                                                                             \
  DEMIX_INLINE TwoHalves operator op(const TwoHalves& a, float b) {             \
    return {a.low op b, a.high op b};                                           \
  }                                                                             \
  DEMIX_INLINE TwoHalves& operator op## = (TwoHalves & a, const TwoHalves& b) { \
    return a = a op b;                                                          \
  }                                                                             \
  DEMIX_INLINE TwoHalves& operator op## = (TwoHalves & a, float b) { return a = a op b; }
DEMIX_OF_TWO_HALVES(+)
DEMIX_OF_TWO_HALVES(-)
DEMIX_OF_TWO_HALVES(*)
#undef DEMIX_OF_TWO_HALVES
#define DEMIX_OF_TWO_HALVES(op)                                               \
  DEMIX_INLINE TwoMasks operator op(const TwoHalves& a, const TwoHalves& b) { \
    return {a.low op b.low, a.high op b.high};                                \
  }                                                                           \
  DEMIX_INLINE TwoMasks operator op(const TwoHalves& a, float b) {            \
    return {a.low op b, a.high op b};                                         \
  }
DEMIX_OF_TWO_HALVES(<)
DEMIX_OF_TWO_HALVES(>)
DEMIX_OF_TWO_HALVES(==)
#undef DEMIX_OF_TWO_HALVES
DEMIX_INLINE TwoHalves operator-(const TwoHalves& x) { return {-x.low, -x.high}; }

DEMIX_INLINE void load(const float* from, TwoHalves& to) { std::memcpy(&to, from, sizeof to); }
DEMIX_INLINE void store(const TwoHalves& from, float* to) { std::memcpy(to, &from, sizeof from); }

// Where the mask holds `a`, elsewhere `b`.
template <typename Mask>
DEMIX_INLINE Floats choose(const Mask& mask, const Floats& a, const Floats& b) {
  return mask ? a : b;
}
DEMIX_INLINE TwoHalves choose(const TwoMasks& mask, const TwoHalves& a, const TwoHalves& b) {
  return {mask.low ? a.low : b.low, mask.high ? a.high : b.high};
}

// `value` in every lane, and the lanes' numbers.
template <typename V>
DEMIX_INLINE V every_lane(float value) {
  return V{} + value;
}
template <typename V>
DEMIX_INLINE V lane_numbers() {
  constexpr float kNumbers[kLanes] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  V numbers;
  load(kNumbers, numbers);
  return numbers;
}

// Sum and largest of the lanes, always in the same order: halves, quarters, … folded together.
DEMIX_INLINE float sum_of(const TwoHalves& lanes) {
  HalfFloats x = lanes.low + lanes.high;
  x += __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3);
  x += __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5);
  x += __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
  return x[0];
}
DEMIX_INLINE float largest_of(const TwoHalves& lanes) {
  HalfFloats x = lanes.low > lanes.high ? lanes.low : lanes.high;
  HalfFloats y = __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3);
  x = x > y ? x : y;
  y = __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5);
  x = x > y ? x : y;
  y = __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
  x = x > y ? x : y;
  return x[0];
}
DEMIX_INLINE TwoHalves halves_of(const Floats& x) {
  TwoHalves halves;
  std::memcpy(&halves, &x, sizeof halves);
  return halves;
}
DEMIX_INLINE float sum_of(const Floats& x) { return sum_of(halves_of(x)); }
DEMIX_INLINE float largest_of(const Floats& x) { return largest_of(halves_of(x)); }

// What kernels are written for: any processor, or those with instructions that the vector
// extensions do not reach. A kernel for one of them computes with its Floats, loads, stores and
// functions.
//
// DEMIX_KERNEL(normalize, (const float* x, …), (x, …)) defines normalize as normalize_for<Isa>(x,
// …), compiled for both and chosen when it is called.
struct AnyCpu {
  using Floats = TwoHalves;
  static DEMIX_INLINE void load(const float* from, Floats& to) { demix::load(from, to); }
  static DEMIX_INLINE void store(const Floats& from, float* to) { demix::store(from, to); }
  static DEMIX_INLINE void load(const BFloat16* from, Floats& to) {
    load_half(from, to.low);
    load_half(from + kLanes / 2, to.high);
  }
  static DEMIX_INLINE void store(const Floats& from, BFloat16* to) {
    store_half(from.low, to);
    store_half(from.high, to + kLanes / 2);
  }
  // x = exp(x), relative error below 2e-7; below -86 it may count as -86, above 88 as 88. NaN stays
  // NaN.
  static DEMIX_INLINE void exponentiate(Floats& x) {
    exponentiate(x.low);
    exponentiate(x.high);
  }
  // x = 1 / x, relative error below 2e-7, for x in [1e-30, 1e30].
  static DEMIX_INLINE void invert(Floats& x) { x = {1.0F / x.low, 1.0F / x.high}; }
  // x = min(x, limit); NaN stays NaN.
  static DEMIX_INLINE void limit(Floats& x, float limit) {
    x = choose(x > limit, every_lane<Floats>(limit), x);
  }

 private:
  static DEMIX_INLINE void load_half(const BFloat16* from, HalfFloats& to) {
    HalfHalves halves;
    std::memcpy(&halves, from, sizeof halves);
    const HalfWords words = __builtin_convertvector(halves, HalfWords) << 16;
    std::memcpy(&to, &words, sizeof to);
  }
  static DEMIX_INLINE void store_half(const HalfFloats& from, BFloat16* to) {
    HalfWords words;
    std::memcpy(&words, &from, sizeof words);
    const HalfWords rounded = (words + 0x7fff + ((words >> 16) & 1)) >> 16;
    const HalfWords nan = (words & 0x7fffffff) > 0x7f800000 ? (words >> 16) | 0x40 : rounded;
    const HalfHalves halves = __builtin_convertvector(nan, HalfHalves);
    std::memcpy(to, &halves, sizeof halves);
  }
  static DEMIX_INLINE void exponentiate(HalfFloats& x) {
    x = x > 88.0F ? HalfFloats{} + 88.0F : x;
    x = x < -86.0F ? HalfFloats{} - 86.0F : x;
    // Adding and taking away 1.5·2²³ rounds to a whole number.
    const HalfFloats whole = (x * 1.44269504088896341F + 12582912.0F) - 12582912.0F;
    // ln 2 in two parts, so that the remainder is exact.
    const HalfFloats r = (x - whole * 0.693359375F) - whole * -2.12194440e-4F;
    HalfFloats p = r * 1.9875691500e-4F + 1.3981999507e-3F;  // Cephes' expf
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * r * r + r + 1.0F;
    HalfInts bits;
    std::memcpy(&bits, &p, sizeof bits);
    bits += __builtin_convertvector(whole, HalfInts) << 23;
    HalfFloats scaled;
    std::memcpy(&scaled, &bits, sizeof scaled);
    x = x == x ? scaled : x;
  }
};

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)

// In assembler, since GCC does not inline intrinsics by way of functions that any processor can
// run.
struct Avx512Bf16 {
  using Floats = demix::Floats;
  static DEMIX_INLINE void load(const float* from, Floats& to) { demix::load(from, to); }
  static DEMIX_INLINE void load(const BFloat16* from, Floats& to) {
    Words words;
    asm("vpmovzxwd %1, %0" : "=v"(words) : "m"(*reinterpret_cast<const Halves*>(from)));
    words <<= 16;
    std::memcpy(&to, &words, sizeof to);
  }
  static DEMIX_INLINE void store(const Floats& from, float* to) { demix::store(from, to); }
  static DEMIX_INLINE void store(const Floats& from, BFloat16* to) {
    Halves halves;
    asm("vcvtneps2bf16 %1, %0" : "=v"(halves) : "v"(from));
    *reinterpret_cast<Halves*>(to) = halves;
  }
  static DEMIX_INLINE void exponentiate(Floats& x) {
    // 2^(whole + r), r in [-1/2, 1/2]; the polynomial is within 2e-7 of 2^r.
    constexpr float kLog2E = 1.44269504088896341F;
    const Floats y = x * kLog2E;
    Floats whole;
    asm("vrndscaleps $8, %1, %0" : "=v"(whole) : "v"(y));
    const Floats r = x * kLog2E - whole;
    Floats p = r * 1.326472032815218e-3F + 9.671513922512531e-3F;
    p = p * r + 5.550733953714371e-2F;
    p = p * r + 2.402224242687225e-1F;
    p = p * r + 6.931470036506653e-1F;
    p = p * r + 1.0F;
    asm("vscalefps %2, %1, %0" : "=v"(x) : "v"(p), "v"(whole));
  }
  static DEMIX_INLINE void invert(Floats& x) {
    Floats guess;
    asm("vrcp14ps %1, %0" : "=v"(guess) : "v"(x));
    x = guess * (2.0F - x * guess);
  }
  static DEMIX_INLINE void limit(Floats& x, float limit) {
    asm("vminps %0, %1, %0" : "+v"(x) : "v"(Floats{} + limit));
  }
};
#define DEMIX_KERNEL(name, parameters, arguments)                                                 \
  DEMIX_CPU_CLONES static void name##_for_any parameters { name##_for<AnyCpu> arguments; }        \
  __attribute__((target("arch=x86-64-v4,avx512bf16"))) static void name##_for_avx512 parameters { \
    name##_for<Avx512Bf16> arguments;                                                             \
  }                                                                                               \
  void name parameters {                                                                          \
    has_avx512_bf16() ? name##_for_avx512 arguments : name##_for_any arguments;                   \
  }

#else

#define DEMIX_KERNEL(name, parameters, arguments) \
  void name parameters { name##_for<AnyCpu> arguments; }

#endif

// The first `count` numbers, and zeros behind them where there are fewer than kLanes.
template <typename Isa, typename T>
DEMIX_INLINE void load_first(const T* from, int64_t count, typename Isa::Floats& to) {
  if (count >= kLanes) return Isa::load(from, to);
  T lanes[kLanes] = {};
  std::copy_n(from, count, lanes);
  Isa::load(lanes, to);
}

template <typename Isa, typename T>
DEMIX_INLINE void store_first(const typename Isa::Floats& from, int64_t count, T* to) {
  if (count >= kLanes) return Isa::store(from, to);
  T lanes[kLanes];
  Isa::store(from, lanes);
  std::copy_n(lanes, count, to);
}

}  // namespace demix
