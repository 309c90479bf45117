// UTF-8: validation, replacement of invalid parts, reading code points.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace demix {

bool is_valid_utf8(std::string_view text);
// Bytes before the first bad part; text.size() when there is none.
size_t valid_utf8_prefix(std::string_view text);

// `text` with each maximal bad part replaced by U+FFFD, as Python's errors="replace" and Unicode's
// "substitution of maximal subparts" do.
std::string replace_invalid_utf8(std::string_view text);

void append_utf8(char32_t code_point, std::string& text);

struct DecodedCodePoint {
  char32_t value;
  size_t bytes;
};

// The code point that begins at `at`. The text from there on must be valid and not empty.
inline DecodedCodePoint decode_utf8(const char* at) {
  const auto byte = [at](int i) { return static_cast<unsigned char>(at[i]); };
  const char32_t b0 = byte(0);
  if (b0 < 0x80) return {b0, 1};
  if (b0 < 0xE0) return {(b0 & 0x1F) << 6 | (byte(1) & 0x3Fu), 2};
  if (b0 < 0xF0) return {(b0 & 0x0F) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu), 3};
  return {(b0 & 0x07) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu),
          4};
}

// The beginning of the code point that ends at `end`, in valid text that begins before `end`.
inline const char* previous_code_point(const char* end) {
  do {
    --end;
  } while ((static_cast<unsigned char>(*end) & 0xC0) == 0x80);
  return end;
}

}  // namespace demix
