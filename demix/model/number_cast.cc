#include "demix/model/number_cast.h"

#include <algorithm>
#include <bit>

namespace demix {
namespace {

// Bits without the sign: those of infinities and NaN are the largest.
DEMIX_INLINE uint32_t size_bits(float x) { return std::bit_cast<uint32_t>(x) & 0x7fffffff; }
DEMIX_INLINE uint32_t size_bits(BFloat16 x) { return uint32_t{x.bits & 0x7fffu} << 16; }
constexpr uint32_t kInfinity = 0x7f800000;

template <typename T>
DEMIX_INLINE bool all_finite_in(const T* values, size_t count) {
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, size_bits(values[i]));
  return largest < kInfinity;
}

DEMIX_CPU_CLONES void cast_numbers(const float* from, size_t count, BFloat16* to) {
  for (size_t i = 0; i < count; ++i) store(to[i], from[i]);
}
DEMIX_CPU_CLONES void cast_numbers(const BFloat16* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) store(to[i], to_float(from[i]));
}
DEMIX_CPU_CLONES bool finite_numbers(const float* values, size_t count) {
  return all_finite_in(values, count);
}
DEMIX_CPU_CLONES bool finite_numbers(const BFloat16* values, size_t count) {
  return all_finite_in(values, count);
}

}  // namespace

void cast(std::span<const float> from, std::span<BFloat16> to) {
  cast_numbers(from.data(), from.size(), to.data());
}
void cast(std::span<const BFloat16> from, std::span<float> to) {
  cast_numbers(from.data(), from.size(), to.data());
}
bool all_finite(std::span<const float> values) {
  return finite_numbers(values.data(), values.size());
}
bool all_finite(std::span<const BFloat16> values) {
  return finite_numbers(values.data(), values.size());
}

}  // namespace demix
