#include "demix/evaluate/text.h"

#include <utf8proc.h>

namespace demix {
namespace {

// What Python's str.isspace() accepts.
bool is_blank(int32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

struct Character {
  int32_t codepoint;  // -1: not valid UTF-8
  size_t bytes;
};

Character first_character(std::string_view text) {
  utf8proc_int32_t codepoint = -1;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                      static_cast<utf8proc_ssize_t>(text.size()),
                                      &codepoint);
  if (bytes <= 0) return {-1, 1};
  return {codepoint, static_cast<size_t>(bytes)};
}

}  // namespace

int64_t count_characters(std::string_view text) {
  int64_t count = 0;
  for (; !text.empty(); text.remove_prefix(first_character(text).bytes)) ++count;
  return count;
}

std::string_view strip_right(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const Character c = first_character(text.substr(at));
    at += c.bytes;
    if (!is_blank(c.codepoint)) end = at;
  }
  return text.substr(0, end);
}

std::string_view strip_left(std::string_view text) {
  while (!text.empty()) {
    const Character c = first_character(text);
    if (!is_blank(c.codepoint)) break;
    text.remove_prefix(c.bytes);
  }
  return text;
}

std::string_view strip(std::string_view text) { return strip_right(strip_left(text)); }

std::string capitalize(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (bool first = true; !text.empty(); first = false) {
    const Character c = first_character(text);
    if (c.codepoint < 0) {
      result += text[0];
    } else {
      utf8proc_uint8_t encoded[4];
      const auto bytes = utf8proc_encode_char(
          first ? utf8proc_totitle(c.codepoint) : utf8proc_tolower(c.codepoint), encoded);
      result.append(reinterpret_cast<const char*>(encoded), static_cast<size_t>(bytes));
    }
    text.remove_prefix(c.bytes);
  }
  return result;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (size_t at; (at = text.find(from)) != std::string_view::npos;
       text.remove_prefix(at + from.size())) {
    result += text.substr(0, at);
    result += to;
  }
  return result += text;
}

}  // namespace demix
