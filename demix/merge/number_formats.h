// Floating-point formats of checkpoint files, to and from float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace demix {

enum class NumberFormat { kFloat32, kBfloat16, kFloat16, kFloat64 };

// Of a safetensors dtype ("BF16"); nothing for integers, packed and 8-bit formats.
std::optional<NumberFormat> number_format_of(std::string_view dtype);
// Of a name in configurations ("bfloat16", or "bf16" as mergekit allows); nothing if unknown.
std::optional<NumberFormat> number_format_named(std::string_view name);
std::string_view dtype_of(NumberFormat format);  // "BF16"
std::string_view name_of(NumberFormat format);   // "bfloat16"
int64_t bytes_of(NumberFormat format);

// `count` numbers as float32; float64 is rounded to nearest. Returns whether all are finite (in
// float32). `in` is aligned to its numbers. Vectorised for the machine it runs on.
bool read_numbers(NumberFormat format, const std::byte* in, int64_t count, float* out);
// Rounds to nearest, ties to even. Returns whether all results are finite: too large numbers become
// infinite. NaN stays NaN.
bool write_numbers(NumberFormat format, const float* in, int64_t count, std::byte* out);

}  // namespace demix
