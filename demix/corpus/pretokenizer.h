// Splits text into the words that byte-pair encoding sees one by one.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "demix/corpus/byte_alphabet.h"
#include "demix/corpus/regex.h"

namespace demix {

// Hand-made scanners for the usual patterns. Each divides a text without gaps.
enum class Scanner {
  kGpt2,          // kGpt2Pattern
  kLlama3,        // kLlama3Pattern: up to three digits together
  kQwen2,         // kQwen2Pattern: each digit alone
  kSingleDigits,  // Digits with individual_digits: each numeric code point alone
  kDigitRuns,     // Digits without
};

inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The end of the piece of `text`, valid UTF-8, that begins at `begin` < text.size().
size_t end_of_piece(Scanner scanner, std::string_view text, size_t begin);

// A Split pre-tokenizer. `behavior` as the library calls it; `invert` swaps matches and gaps.
struct Split {
  enum class Behavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };
  Regex regex;
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;

  // The pieces of `text`, some perhaps empty of matches; removed ones are left out.
  std::vector<std::string_view> pieces(std::string_view text) const;
};

// Puts a space before each piece that does not begin with one (add_prefix_space).
struct PrefixSpace {};

// What follows sees the byte symbols of the text (a Split after ByteLevel), the words are bytes
// again.
struct ByteSymbols {};

// The steps of a tokenizer's pre_tokenizer, each applied to the pieces of the one before.
class PreTokenizer {
 public:
  using Step = std::variant<Scanner, Split, PrefixSpace, ByteSymbols>;

  explicit PreTokenizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  // Calls word(std::string_view) for each word of `text`, valid UTF-8, in order. The words live
  // during the call only.
  template <typename Word>
  void split(std::string_view text, Word&& word) const {
    split_from(0, text, word);
  }

 private:
  template <typename Word>
  void split_from(size_t step, std::string_view text, Word& word) const {
    if (text.empty()) return;
    if (step == steps_.size()) return word(text);
    if (const auto* scanner = std::get_if<Scanner>(&steps_[step])) {
      for (size_t begin = 0; begin < text.size();) {
        const size_t end = end_of_piece(*scanner, text, begin);
        split_from(step + 1, text.substr(begin, end - begin), word);
        begin = end;
      }
    } else if (const auto* split = std::get_if<Split>(&steps_[step])) {
      for (const std::string_view piece : split->pieces(text)) split_from(step + 1, piece, word);
    } else if (std::holds_alternative<ByteSymbols>(steps_[step])) {
      const std::function<void(std::string_view)> bytes = [&word](std::string_view symbols) {
        word(*bytes_of_symbols(symbols));
      };
      split_from(step + 1, symbols_of_bytes(text), bytes);
    } else if (text.front() != ' ') {
      split_from(step + 1, " " + std::string(text), word);
    } else {
      split_from(step + 1, text, word);
    }
  }

  std::vector<Step> steps_;
};

}  // namespace demix
