#include "demix/corpus/utf8.h"

#include <simdjson.h>

#include <algorithm>

namespace demix {
namespace {

// The bytes that may follow a lead byte (Unicode, table 3-7): their number and the range of the
// first.
struct Continuation {
  int count;
  unsigned char low, high;
};

Continuation continuation_of(unsigned char lead) {
  if (lead < 0x80) return {0, 0, 0};
  if (lead >= 0xC2 && lead <= 0xDF) return {1, 0x80, 0xBF};
  if (lead == 0xE0) return {2, 0xA0, 0xBF};
  if (lead == 0xED) return {2, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {2, 0x80, 0xBF};
  if (lead == 0xF0) return {3, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {3, 0x80, 0xBF};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {-1, 0, 0};
}

// The code point or the maximal bad part that `text`, not empty, begins with.
struct Part {
  size_t bytes;
  bool valid;
};

Part first_part(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  auto [count, low, high] = continuation_of(byte(0));
  size_t bytes = 1;
  while (count > 0 && bytes < text.size() && byte(bytes) >= low && byte(bytes) <= high) {
    ++bytes;
    --count;
    low = 0x80;
    high = 0xBF;
  }
  return {bytes, count == 0};
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const Part part = first_part(text);
    result.append(part.valid ? text.substr(0, part.bytes) : "\xEF\xBF\xBD");
    text.remove_prefix(part.bytes);
  }
  return result;
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    const Part part = first_part(text.substr(bytes));
    if (!part.valid) break;
    bytes += part.bytes;
  }
  return bytes;
}

void append_utf8(char32_t code_point, std::string& text) {
  const auto put = [&text](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

}  // namespace demix
