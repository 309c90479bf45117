// The regular expressions of Split pre-tokenizers, for those without a scanner of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "demix/corpus/unicode.h"

namespace demix {

// Backtracking matcher for the subset of Oniguruma's Ruby syntax in which tokenizers are written:
//   literals, escapes (\r \n \t \f \v \xHH \x{H…} \uHHHH, escaped punctuation), '.', \s \S \d \D,
//   \p{…} \P{…} \p{^…} with general categories, [...] with ranges, negation and nesting,
//   (?:…) (…) (?i:…) of ASCII, (?=…) (?!…), '^' and '$' at the borders of lines, '|',
//   ? * + {n} {n,} {n,m}, lazy and possessive forms.
// Everything else is refused, as is an expression that matches empty text. Why not PCRE2: it reads
// some of these differently (nested classes, '^', \h) and has tables of other Unicode versions.
class Regex {
 public:
  struct Match {
    size_t begin, end;
  };

  // Throws Error naming the construct and its place.
  explicit Regex(std::string_view pattern);
  // Matches exactly this text.
  static Regex literal(std::string_view text);
  // Matches one code point of what the library's Punctuation pre-tokenizer takes for such.
  static Regex punctuation();

  // The leftmost match at or after `from`, which must be a border of code points in valid UTF-8.
  std::optional<Match> search(std::string_view text, size_t from) const;

 private:
  friend class RegexParser;

  struct CodePointClass {
    bool matches(char32_t c) const;
    CategorySet categories = 0;
    bool space = false;
    bool not_space = false;
    bool punctuation = false;
    bool negated = false;
    std::vector<std::pair<char32_t, char32_t>> ranges;
    std::vector<CodePointClass> nested;
  };
  enum class Op : uint8_t {
    kClass,
    kSplit,
    kJump,
    kLook,
    kPossessive,
    kLineBegin,
    kLineEnd,
    kMatch
  };
  enum class Greed : uint8_t { kGreedy, kLazy, kPossessive };
  struct Instruction {
    Op op;
    Greed greed = Greed::kGreedy;
    bool negative = false;  // kLook
    uint32_t index = 0;     // kClass: which class
    uint32_t low = 1;       // kClass: repeats
    uint32_t high = 1;
    uint32_t first = 0;   // kSplit: tried first; kJump: target; kLook, kPossessive: after the body
    uint32_t second = 0;  // kSplit: tried next
  };

  Regex() = default;
  // The end of a match that begins at `at`, by the instructions from `start` on.
  std::optional<size_t> match_at(std::string_view text, size_t at, uint32_t start) const;

  std::vector<Instruction> program_;
  std::vector<CodePointClass> classes_;
};

}  // namespace demix
