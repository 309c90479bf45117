// Errors that a user can act on.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace demix {

// Bad input: says where, what, expected, found and, where it can be guessed, the remedy.
//   throw Error("{}:{}: unknown key '{}'; did you mean '{}'?", path, line, key, nearest);
// Stages add their context once with std::throw_with_nested; the program prints the chain and
// returns 1.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> pattern, Args&&... args)
      : std::runtime_error(fmt::format(pattern, std::forward<Args>(args)...)) {}
};

// The messages of `error` and of all errors nested in it, outermost first, one per line.
std::string error_chain(const std::exception& error);

// Aborts with place and condition: for what only our own bug can break.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
#define DEMIX_CHECK(condition) \
  ((condition) ? void(0) : ::demix::check_failed(#condition, __FILE__, __LINE__))

// Text from outside for a message: control characters escaped, invalid UTF-8 replaced, cut off
// after `limit` bytes.
std::string printable(std::string_view text, size_t limit = 120);

// The one of `known` closest to `word` by edit distance, or empty if none is near.
template <typename Range>
std::string_view nearest(std::string_view word, const Range& known);
size_t edit_distance(std::string_view a, std::string_view b);

template <typename Range>
std::string_view nearest(std::string_view word, const Range& known) {
  std::string_view best;
  size_t best_distance = word.size() / 3 + 2;
  for (const auto& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

// The remedy for a word that is none of `known`: "did you mean 'ties'?" where one is near, else all
// of them, as in "there are ties, della".
template <typename Range>
std::string suggestion(std::string_view word,
                       const Range& known,
                       std::string_view listed = "there are") {
  const std::string_view near = nearest(word, known);
  return near.empty() ? fmt::format("{} {}", listed, fmt::join(known, ", "))
                      : fmt::format("did you mean '{}'?", near);
}

}  // namespace demix
