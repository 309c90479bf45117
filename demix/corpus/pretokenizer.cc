#include "demix/corpus/pretokenizer.h"

#include <algorithm>
#include <array>

#include "demix/core/error.h"
#include "demix/corpus/unicode.h"
#include "demix/corpus/utf8.h"

namespace demix {
namespace {

// The classes into which the patterns divide all code points.
enum Kind : uint8_t { kOther, kLetter, kNumber, kSpace, kNewline };

constexpr auto kAsciiKinds = [] {
  std::array<Kind, 128> kinds{};
  for (int c = 'a'; c <= 'z'; ++c) kinds[c] = kinds[c - 32] = kLetter;
  for (int c = '0'; c <= '9'; ++c) kinds[c] = kNumber;
  for (const int c : {'\t', '\v', '\f', ' '}) kinds[c] = kSpace;
  kinds['\r'] = kinds['\n'] = kNewline;
  return kinds;
}();

// Reads a text code point by code point.
class Cursor {
 public:
  Cursor(std::string_view text, size_t at) : text_(text), at_(at) { look(); }

  bool done() const { return at_ >= text_.size(); }
  size_t at() const { return at_; }
  // Of the code point here; meaningless when done.
  Kind kind() const { return kind_; }
  bool is_space() const { return kind_ == kSpace || kind_ == kNewline; }
  bool is(char c) const { return !done() && text_[at_] == c; }
  size_t next() const { return at_ + bytes_; }

  void advance() {
    at_ += bytes_;
    look();
  }
  void skip(Kind kind) {
    while (!done() && kind_ == kind) advance();
  }

 private:
  void look() {
    if (done()) return;
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte < 128) {
      kind_ = kAsciiKinds[byte];
      bytes_ = 1;
      return;
    }
    const auto [value, bytes] = decode_utf8(&text_[at_]);
    const CodePointProperties properties = properties_of(*table_, value);
    kind_ = properties.letter   ? kLetter
            : properties.number ? kNumber
            : properties.space  ? kSpace
                                : kOther;
    bytes_ = static_cast<uint8_t>(bytes);
  }

  const UnicodeTable* table_ = &unicode_table();
  std::string_view text_;
  size_t at_;
  Kind kind_ = kOther;
  uint8_t bytes_ = 0;
};

// The end of 's 't 're 've 'm 'll 'd at `begin`, or `begin`.
size_t end_of_contraction(std::string_view text, size_t begin, bool ignore_case) {
  const auto letter = [&](size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c;
  };
  const char first = letter(begin + 1);
  const char second = letter(begin + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return begin + 2;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
      (first == 'l' && second == 'l')) {
    return begin + 3;
  }
  constexpr std::string_view kLongS = "\xC5\xBF";  // ſ is an s without regard to case
  if (ignore_case && text.substr(begin + 1).starts_with(kLongS)) return begin + 3;
  return begin;
}

// \s+(?!\S)|\s+ with the run [begin, end) of white space whose last code point begins at `last`.
size_t end_of_spaces(std::string_view text, size_t begin, size_t last, size_t end) {
  return end == text.size() || last == begin ? end : last;
}

size_t end_of_gpt2(std::string_view text, size_t begin) {
  if (text[begin] == '\'') {
    const size_t end = end_of_contraction(text, begin, false);
    if (end > begin) return end;
  }
  Cursor cursor(text, begin);
  if (cursor.is(' ')) {
    cursor.advance();
    if (cursor.done()) return cursor.at();
  }
  if (!cursor.is_space()) {
    cursor.skip(cursor.kind());
    return cursor.at();
  }
  cursor = Cursor(text, begin);
  size_t last = begin;
  for (; !cursor.done() && cursor.is_space(); cursor.advance()) last = cursor.at();
  return end_of_spaces(text, begin, last, cursor.at());
}

size_t end_of_llama3(std::string_view text, size_t begin, int digits) {
  if (text[begin] == '\'') {
    const size_t end = end_of_contraction(text, begin, true);
    if (end > begin) return end;
  }
  Cursor cursor(text, begin);
  const Kind kind = cursor.kind();
  if (kind == kNumber) {
    for (; digits > 0 && !cursor.done() && cursor.kind() == kNumber; --digits) cursor.advance();
    return cursor.at();
  }
  if (kind != kLetter && kind != kNewline) {
    const bool space = cursor.is(' ');
    cursor.advance();
    const bool more = !cursor.done();
    if (more && cursor.kind() == kLetter) {
      cursor.skip(kLetter);
      return cursor.at();
    }
    if (kind == kOther || (space && more && cursor.kind() == kOther)) {
      cursor.skip(kOther);
      cursor.skip(kNewline);
      return cursor.at();
    }
    cursor = Cursor(text, begin);
  }
  if (kind == kLetter) {
    cursor.skip(kLetter);
    return cursor.at();
  }
  size_t last = begin;
  size_t after_newline = begin;
  for (; !cursor.done() && cursor.is_space(); cursor.advance()) {
    last = cursor.at();
    if (cursor.kind() == kNewline) after_newline = cursor.next();
  }
  if (after_newline > begin) return after_newline;
  return end_of_spaces(text, begin, last, cursor.at());
}

size_t end_of_digits(std::string_view text, size_t begin, bool single) {
  const auto numeric = [&text](size_t i, size_t& bytes) {
    const auto [value, size] = decode_utf8(&text[i]);
    bytes = size;
    return properties_of(value).numeric;
  };
  size_t bytes = 0;
  const bool first = numeric(begin, bytes);
  size_t end = begin + bytes;
  if (first && single) return end;
  while (end < text.size() && numeric(end, bytes) == first) end += bytes;
  return end;
}

}  // namespace

size_t end_of_piece(Scanner scanner, std::string_view text, size_t begin) {
  switch (scanner) {
    case Scanner::kGpt2:
      return end_of_gpt2(text, begin);
    case Scanner::kLlama3:
      return end_of_llama3(text, begin, 3);
    case Scanner::kQwen2:
      return end_of_llama3(text, begin, 1);
    case Scanner::kSingleDigits:
      return end_of_digits(text, begin, true);
    case Scanner::kDigitRuns:
      return end_of_digits(text, begin, false);
  }
  DEMIX_CHECK(false);
}

std::vector<std::string_view> Split::pieces(std::string_view text) const {
  struct Part {
    size_t begin, end;
    bool match;
  };
  std::vector<Part> parts;
  size_t done = 0;
  while (const auto found = regex.search(text, done)) {
    if (done < found->begin) parts.push_back({done, found->begin, invert});
    parts.push_back({found->begin, found->end, !invert});
    done = found->end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), invert});

  // Whether a part joins the one on its left.
  const auto joins = [&](size_t i) {
    const bool left = parts[i - 1].match;
    const bool here = parts[i].match;
    switch (behavior) {
      case Behavior::kContiguous:
        return left == here;
      case Behavior::kMergedWithPrevious:
        return here && !left;
      case Behavior::kMergedWithNext:
        return left && !here;
      default:
        return false;
    }
  };
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i == 0 || !joins(i)) begin = parts[i].begin;
    if (i + 1 < parts.size() && joins(i + 1)) continue;
    if (behavior == Behavior::kRemoved && parts[i].match) continue;
    pieces.push_back(text.substr(begin, parts[i].end - begin));
  }
  return pieces;
}

}  // namespace demix
