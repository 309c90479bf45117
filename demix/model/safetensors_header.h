// The header of a safetensors file: JSON that names each tensor's dtype, shape and place. Headers
// come from outside: every field is checked before use, without arithmetic that can wrap, in memory
// proportional to the header and without recursion.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

struct TensorEntry {
  std::string name;
  std::string dtype;           // "F32", "BF16", "F16", …
  std::vector<int64_t> shape;  // empty for a scalar
  uint64_t begin = 0;          // first byte, counted from the end of the header
  uint64_t size_bytes = 0;
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // in file order, without gap or overlap
  std::map<std::string, std::string> metadata;
};

// Bits of one element, or 0 when the format does not know `dtype`.
int64_t dtype_bits(std::string_view dtype);
// Bytes of one element, or 0 when `dtype` is unknown or packs elements into less than a byte.
int64_t dtype_bytes(std::string_view dtype);
// Bytes of a tensor; nothing when it has more than 2^63 - 1 bits, when the elements do not fill
// whole bytes, and for unknown dtypes and negative sizes.
std::optional<uint64_t> tensor_bytes(std::string_view dtype, std::span<const int64_t> shape);
// "[2, 3]"
std::string shape_text(std::span<const int64_t> shape);

// The longest header that is read: the limit of the format's reference implementation.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr uint64_t kHeaderLengthBytes = 8;  // little-endian, before the header

// The header's length from a file's first bytes. Throws Error, beginning with `file`, when it is
// more than the format allows or more than the file has.
uint64_t parse_header_length(std::span<const unsigned char> first_bytes,
                             uint64_t file_bytes,
                             const std::string& file);

// Parses the header of a file with `data_bytes` after it. Throws Error, beginning with `file`, when
// it is no valid JSON, when an object has a key twice, when dtypes are unknown, shapes do not fit
// the offsets, or tensors overlap, leave gaps or do not fill the data.
SafetensorsHeader parse_safetensors_header(std::string_view text,
                                           uint64_t data_bytes,
                                           const std::string& file);

// Length and header, padded so that the data begin at a multiple of eight. The tensors must follow
// each other from byte 0, as `parse_safetensors_header` asks.
std::string safetensors_header_text(const SafetensorsHeader& header);

}  // namespace demix
