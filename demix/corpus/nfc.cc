#include "demix/corpus/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "demix/core/error.h"
#include "demix/corpus/unicode.h"
#include "demix/corpus/utf8.h"

namespace demix {
namespace {

// Below U+0300 no code point is active; its first byte in UTF-8 is 0xCC.
constexpr unsigned char kFirstActiveLead = 0xCC;

// Normalizes one stretch. Decomposes and sorts here, since utf8proc's own sorting is quadratic in
// the number of marks. The stretch holds only code points of Unicode 9, whose normal forms are the
// same in every later version.
void append_normalized(std::string_view stretch, std::string& result) {
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  std::vector<utf8proc_int32_t> code_points;
  for (size_t i = 0; i < stretch.size();) {
    const auto [value, bytes] = decode_utf8(&stretch[i]);
    std::array<utf8proc_int32_t, 32> parts;  // the longest canonical decomposition has four
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(value),
                                               parts.data(),
                                               static_cast<utf8proc_ssize_t>(parts.size()),
                                               kOptions,
                                               nullptr);
    DEMIX_CHECK(count > 0 && static_cast<size_t>(count) <= parts.size());
    code_points.insert(code_points.end(), parts.begin(), parts.begin() + count);
    i += bytes;
  }
  const auto combining_class = [](utf8proc_int32_t c) {
    return utf8proc_get_property(c)->combining_class;
  };
  for (auto begin = code_points.begin(); begin != code_points.end();) {
    begin = std::find_if(begin, code_points.end(), combining_class);
    const auto end = std::find_if_not(begin, code_points.end(), combining_class);
    std::stable_sort(begin, end, [&](utf8proc_int32_t a, utf8proc_int32_t b) {
      return combining_class(a) < combining_class(b);
    });
    begin = end;
  }
  const auto size = utf8proc_normalize_utf32(
      code_points.data(), static_cast<utf8proc_ssize_t>(code_points.size()), kOptions);
  DEMIX_CHECK(size > 0 && static_cast<size_t>(size) <= code_points.size());
  for (utf8proc_ssize_t i = 0; i < size; ++i) {
    append_utf8(static_cast<char32_t>(code_points[static_cast<size_t>(i)]), result);
  }
}

}  // namespace

bool is_surely_nfc(std::string_view text) {
  const auto lead = [](char c) { return static_cast<unsigned char>(c); };
  const UnicodeTable& table = unicode_table();
  for (size_t i = 0; i < text.size();) {
    if (lead(text[i]) < kFirstActiveLead) {
      ++i;
      continue;
    }
    const auto [value, bytes] = decode_utf8(&text[i]);
    if (properties_of(table, value).nfc_active) return false;
    i += bytes;
  }
  return true;
}

std::string normalize_nfc(std::string_view text) {
  // A code point that is not active is a border: nothing before it meets anything after it. So only
  // stretches of active code points, with the one before if it can be joined with them, can change.
  const UnicodeTable& table = unicode_table();
  std::string result;
  result.reserve(text.size());
  size_t done = 0;
  size_t stretch = 0;  // where a stretch begins whose next code point is the one at i
  for (size_t i = 0; i < text.size();) {
    auto [value, bytes] = decode_utf8(&text[i]);
    const CodePointProperties properties = properties_of(table, value);
    if (!properties.nfc_active) {
      stretch = properties.nfc_first ? i : i + bytes;
      i += bytes;
      continue;
    }
    while (i < text.size()) {
      const auto next = decode_utf8(&text[i]);
      if (!properties_of(table, next.value).nfc_active) break;
      i += next.bytes;
    }
    result.append(text.substr(done, stretch - done));
    append_normalized(text.substr(stretch, i - stretch), result);
    done = stretch = i;
  }
  result.append(text.substr(done));
  return result;
}

}  // namespace demix
