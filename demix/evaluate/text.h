// Text as Python's str sees it: prompts equal the harness's only if blanks, case and lengths do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace demix {

// Unicode code points; every byte that is not valid UTF-8 counts as one.
int64_t count_characters(std::string_view text);

// Without the characters at both ends (or at one) that str.isspace() accepts.
std::string_view strip(std::string_view text);
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);

// First character in title case, the others in lower case, as str.capitalize() does but for
// characters whose case takes several code points ("ß"), which stay as they are.
std::string capitalize(std::string_view text);

// str.lower() and str.upper(), with those that take several code points ("ß" to "SS").
std::string lower(std::string_view text);
std::string upper(std::string_view text);

// One code point, where it is one.
char32_t lower(char32_t c);
// What str.isspace(), str.isdecimal() and re's \w accept.
bool is_space(char32_t c);
bool is_decimal(char32_t c);
bool is_word(char32_t c);
// Whether its category in Unicode begins with P.
bool is_punctuation(char32_t c);
// str.isprintable()
bool is_printable(char32_t c);

// Bytes that are not UTF-8 become U+FFFD.
std::u32string code_points(std::string_view text);
std::string utf8(std::u32string_view text);

// `text` with every `from`, left to right and not overlapping, replaced by `to`.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace demix
