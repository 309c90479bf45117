#include "demix/evaluate/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "demix/corpus/utf8.h"

namespace demix {
namespace {

bool is_blank(int32_t c) { return c >= 0 && is_space(static_cast<char32_t>(c)); }

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

// Code points whose upper case takes several, of Unicode's SpecialCasing.txt.
struct Expansion {
  char32_t from;
  std::u32string_view to;
};
constexpr std::array<Expansion, 102> kUpper{{
#include "demix/evaluate/upper_case.inc"
}};

utf8proc_category_t category_of(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_cased(char32_t c) {
  const auto category = category_of(c);
  const auto point = static_cast<utf8proc_int32_t>(c);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT || utf8proc_tolower(point) != point ||
         utf8proc_toupper(point) != point;
}

// What may stand between the letters of a word without ending it.
bool is_case_ignorable(char32_t c) {
  constexpr std::u32string_view kWithinWords =
      U"'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A";
  switch (category_of(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return kWithinWords.find(c) != std::u32string_view::npos;
  }
}

// Whether the capital sigma at `at` ends a word.
bool is_final_sigma(std::u32string_view text, size_t at) {
  size_t before = at;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  if (before == 0 || !is_cased(text[before - 1])) return false;
  size_t after = at + 1;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return after == text.size() || !is_cased(text[after]);
}

}  // namespace

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

bool is_decimal(char32_t c) { return category_of(c) == UTF8PROC_CATEGORY_ND; }

bool is_word(char32_t c) {
  const auto category = category_of(c);
  return c == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

bool is_punctuation(char32_t c) {
  const auto category = category_of(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool is_printable(char32_t c) {
  const auto category = category_of(c);
  return c == ' ' || (category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS);
}

char32_t lower(char32_t c) {
  return c == 0x130 ? 'i' : static_cast<char32_t>(utf8proc_tolower(static_cast<int32_t>(c)));
}

std::u32string code_points(std::string_view text) {
  const std::string valid = replace_invalid_utf8(text);
  std::u32string points;
  for (size_t at = 0; at < valid.size();) {
    const auto [value, bytes] = decode_utf8(&valid[at]);
    points += value;
    at += bytes;
  }
  return points;
}

std::string utf8(std::u32string_view text) {
  std::string bytes;
  for (const char32_t c : text) append_utf8(c, bytes);
  return bytes;
}

std::string lower(std::string_view text) {
  const std::u32string from = code_points(text);
  std::u32string to;
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] == 0x130) {
      to += U"i\u0307";
    } else if (from[i] == 0x3A3) {
      to += is_final_sigma(from, i) ? U'\u03C2' : U'\u03C3';
    } else {
      to += lower(from[i]);
    }
  }
  return utf8(to);
}

std::string upper(std::string_view text) {
  std::u32string to;
  for (const char32_t c : code_points(text)) {
    const auto found =
        std::lower_bound(kUpper.begin(), kUpper.end(), c, [](const Expansion& e, char32_t wanted) {
          return e.from < wanted;
        });
    if (found != kUpper.end() && found->from == c)
      to += found->to;
    else
      to += static_cast<char32_t>(utf8proc_toupper(static_cast<int32_t>(c)));
  }
  return utf8(to);
}

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
