#include "demix/merge/number_formats.h"

#include <bit>
#include <cstring>

#include "demix/core/error.h"
#include "demix/core/simd.h"

namespace demix {
namespace {

struct FormatNames {
  NumberFormat format;
  std::string_view dtype, name, short_name;
  int64_t bytes;
};
constexpr FormatNames kFormats[] = {
    {NumberFormat::kFloat32, "F32", "float32", "fp32", 4},
    {NumberFormat::kBfloat16, "BF16", "bfloat16", "bf16", 2},
    {NumberFormat::kFloat16, "F16", "float16", "fp16", 2},
    {NumberFormat::kFloat64, "F64", "float64", "fp64", 8},
};

constexpr uint32_t kInfinity = 0x7f800000;

// Each of these four converts one number by its bits, without branches, so that the loops below
// become vector code for every processor.

DEMIX_INLINE uint32_t float_bits_of_bfloat16(uint16_t x) { return static_cast<uint32_t>(x) << 16; }

DEMIX_INLINE uint32_t float_bits_of_float16(uint16_t x) {
  const uint32_t magnitude = static_cast<uint32_t>(x & 0x7fff) << 13;
  // 2^112 moves the exponent from a bias of 15 to one of 127, denormal numbers included.
  const float moved = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t finite = std::bit_cast<uint32_t>(moved);
  const uint32_t bits = magnitude >= 0x0f800000 ? magnitude | kInfinity : finite;
  return bits | static_cast<uint32_t>(x & 0x8000) << 16;
}

DEMIX_INLINE uint16_t bfloat16_of_float_bits(uint32_t x) {
  const uint32_t rounded = (x + 0x7fff + ((x >> 16) & 1)) >> 16;
  // Rounding would carry a NaN's payload away into infinity.
  const uint32_t nan = (x >> 16) | 0x40;
  return static_cast<uint16_t>((x & 0x7fffffff) > kInfinity ? nan : rounded);
}

DEMIX_INLINE uint16_t float16_of_float_bits(uint32_t x) {
  const uint32_t magnitude = x & 0x7fffffff;
  const uint32_t normal =
      (magnitude - (uint32_t{112} << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  // Adding 0.5 lets the float32 addition round to the step of float16's denormal numbers.
  const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
  const uint32_t denormal = std::bit_cast<uint32_t>(shifted) - 0x3f000000;
  const uint32_t special = magnitude > kInfinity ? 0x7e00 : 0x7c00;
  const uint32_t small = magnitude < 0x38800000 ? denormal : normal;  // 2^-14
  const uint32_t bits = magnitude >= 0x47800000 ? special : small;    // 2^16
  return static_cast<uint16_t>(bits | (x >> 16 & 0x8000));
}

DEMIX_CPU_CLONES bool read_bfloat16(const uint16_t* in, int64_t count, float* out) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = float_bits_of_bfloat16(in[i]);
    bad |= (bits & kInfinity) == kInfinity;
    out[i] = std::bit_cast<float>(bits);
  }
  return bad == 0;
}

DEMIX_CPU_CLONES bool read_float16(const uint16_t* in, int64_t count, float* out) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = float_bits_of_float16(in[i]);
    bad |= (bits & kInfinity) == kInfinity;
    out[i] = std::bit_cast<float>(bits);
  }
  return bad == 0;
}

DEMIX_CPU_CLONES bool all_finite(const float* values, int64_t count) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i)
    bad |= (std::bit_cast<uint32_t>(values[i]) & kInfinity) == kInfinity;
  return bad == 0;
}

DEMIX_CPU_CLONES bool write_bfloat16(const float* in, int64_t count, uint16_t* out) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = bfloat16_of_float_bits(std::bit_cast<uint32_t>(in[i]));
    bad |= (bits & 0x7f80) == 0x7f80;
    out[i] = bits;
  }
  return bad == 0;
}

DEMIX_CPU_CLONES bool write_float16(const float* in, int64_t count, uint16_t* out) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = float16_of_float_bits(std::bit_cast<uint32_t>(in[i]));
    bad |= (bits & 0x7c00) == 0x7c00;
    out[i] = bits;
  }
  return bad == 0;
}

const FormatNames& names_of(NumberFormat format) {
  for (const FormatNames& names : kFormats)
    if (names.format == format) return names;
  check_failed("a known number format", __FILE__, __LINE__);
}

}  // namespace

std::optional<NumberFormat> number_format_of(std::string_view dtype) {
  for (const FormatNames& names : kFormats)
    if (names.dtype == dtype) return names.format;
  return std::nullopt;
}

std::optional<NumberFormat> number_format_named(std::string_view name) {
  for (const FormatNames& names : kFormats)
    if (names.name == name || names.short_name == name) return names.format;
  return std::nullopt;
}

std::string_view dtype_of(NumberFormat format) { return names_of(format).dtype; }
std::string_view name_of(NumberFormat format) { return names_of(format).name; }
int64_t bytes_of(NumberFormat format) { return names_of(format).bytes; }

bool read_numbers(NumberFormat format, const std::byte* in, int64_t count, float* out) {
  switch (format) {
    case NumberFormat::kBfloat16:
      return read_bfloat16(reinterpret_cast<const uint16_t*>(in), count, out);
    case NumberFormat::kFloat16:
      return read_float16(reinterpret_cast<const uint16_t*>(in), count, out);
    case NumberFormat::kFloat32:
      if (count > 0) std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
      break;
    case NumberFormat::kFloat64:
      for (int64_t i = 0; i < count; ++i) {
        double value;
        std::memcpy(&value, in + i * sizeof value, sizeof value);
        out[i] = static_cast<float>(value);
      }
  }
  return all_finite(out, count);
}

bool write_numbers(NumberFormat format, const float* in, int64_t count, std::byte* out) {
  switch (format) {
    case NumberFormat::kBfloat16:
      return write_bfloat16(in, count, reinterpret_cast<uint16_t*>(out));
    case NumberFormat::kFloat16:
      return write_float16(in, count, reinterpret_cast<uint16_t*>(out));
    case NumberFormat::kFloat32:
      if (count > 0) std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
      break;
    case NumberFormat::kFloat64:
      for (int64_t i = 0; i < count; ++i) {
        const double value = in[i];
        std::memcpy(out + i * sizeof value, &value, sizeof value);
      }
  }
  return all_finite(in, count);
}

}  // namespace demix
