// Building blocks of the page: markup that escapes what comes from outside, and numbers in words.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>

namespace demix {

// Markup that is safe to put into a page. Only html() and raw literals make it, so text from
// outside cannot get there without being escaped.
struct Html {
  std::string text;
  Html& operator+=(const Html& more) {
    text += more.text;
    return *this;
  }
  bool empty() const { return text.empty(); }
};

// `text` with & < > " and ' as entities; control characters that HTML forbids become U+FFFD.
std::string escaped(std::string_view text);

// What html() passes on to fmt: markup as it is, text escaped, numbers as they are.
inline std::string_view shown(const Html& markup) { return markup.text; }
inline std::string shown(std::string_view text) { return escaped(text); }
template <typename Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
Number shown(Number number) {
  return number;
}

// Markup from a pattern of ours: html("<b>{}</b>", name) escapes the name.
template <typename... Args>
Html html(fmt::format_string<decltype(shown(std::declval<const Args&>()))...> pattern,
          const Args&... args) {
  return {fmt::format(pattern, shown(args)...)};
}

// A name that may be broken after its separators, for narrow columns.
Html breakable(std::string_view name);

// Numbers as people read them. All give "–" for what is not known, and a true minus sign.
std::string show(double value, int decimals);
// With as many decimals as its standard error or interval deserves: two digits of the uncertainty.
int decimals_for(double uncertainty);
std::string show_percent(double fraction);  // "61.2 %", "<0.1 %", "0 %"
std::string show_count(double count);       // "1.28B", "250k", "7"
std::string show_bytes(double bytes);       // "1.5 GB"
std::string show_seconds(double seconds);   // "1 h 12 min", "3 min 20 s", "0.4 s"

}  // namespace demix
