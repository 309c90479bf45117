#include "demix/corpus/regex.h"

#include <algorithm>
#include <limits>
#include <map>

#include "demix/core/error.h"
#include "demix/corpus/utf8.h"

namespace demix {
namespace {

constexpr uint32_t kUnlimited = std::numeric_limits<uint32_t>::max();
constexpr uint32_t kMaxRepeats = 1000;
constexpr size_t kMaxInstructions = 100'000;
constexpr int kMaxDepth = 100;
// Oniguruma's own limit.
constexpr size_t kMaxResumed = 10'000'000;

std::optional<CategorySet> categories_named(std::string_view name) {
  static const std::map<std::string_view, CategorySet> known = [] {
    constexpr std::string_view kNames =
        "LuLlLtLmLoMnMcMeNdNlNoPcPdPsPePiPfPoSmScSkSoZsZlZpCcCfCoCn";
    std::map<std::string_view, CategorySet> sets;
    for (size_t i = 0; i < kNames.size() / 2; ++i) {
      // Cn counts the surrogates, which no text holds, so C is the union of its parts here.
      sets[kNames.substr(2 * i, 2)] |= CategorySet{1} << i;
      sets[kNames.substr(2 * i, 1)] |= CategorySet{1} << i;
    }
    return sets;
  }();
  const auto found = known.find(name);
  if (found == known.end()) return std::nullopt;
  return found->second;
}

bool is_ascii_letter(char32_t c) { return (c | 32) >= 'a' && (c | 32) <= 'z' && c < 128; }

// Pairs of letters that also equal one code point when case is ignored (ﬀ, ﬁ, ﬂ, ß, ﬆ).
bool folds_together(char32_t first, char32_t second) {
  const auto is = [&](char a, char b) {
    return (first | 32) == static_cast<char32_t>(a) && (second | 32) == static_cast<char32_t>(b);
  };
  return is('f', 'f') || is('f', 'i') || is('f', 'l') || is('s', 's') || is('s', 't');
}

}  // namespace

bool Regex::CodePointClass::matches(char32_t c) const {
  bool found = false;
  for (const auto& [low, high] : ranges) found |= c >= low && c <= high;
  if (!found) {
    const CodePointProperties properties = properties_of(c);
    found = (set_of(properties.category) & categories) != 0 ||
            (properties.space ? space : not_space) || (properties.punctuation && punctuation);
  }
  for (const CodePointClass& inner : nested) found = found || inner.matches(c);
  return found != negated;
}

// Recursive descent; emits the program while it reads.
class RegexParser {
 public:
  RegexParser(std::string_view pattern, Regex& regex) : pattern_(pattern), regex_(regex) {}

  void parse() {
    if (!is_valid_utf8(pattern_)) throw Error("regular expression is not valid UTF-8");
    const size_t shortest = alternatives(false, 0);
    if (at_ < pattern_.size()) refuse("an unmatched ')'");
    if (shortest == 0) {
      throw Error("regular expression '{}' can match empty text, which is not supported", shown());
    }
    emit({.op = Regex::Op::kMatch});
  }

 private:
  using Op = Regex::Op;
  using Greed = Regex::Greed;
  using Class = Regex::CodePointClass;
  struct Repeat {
    uint32_t low = 1, high = 1;
    Greed greed = Greed::kGreedy;
  };

  [[noreturn]] void refuse(std::string_view what) const {
    throw Error("regular expression '{}', byte {}: {} is not supported", shown(), at_, what);
  }
  std::string shown() const { return printable(pattern_, 80); }
  bool more() const { return at_ < pattern_.size(); }
  bool sees(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool skip(std::string_view text) {
    const bool found = sees(text);
    if (found) at_ += text.size();
    return found;
  }
  char32_t take() {
    if (!more()) refuse("an unfinished construct");
    const auto [value, bytes] = decode_utf8(&pattern_[at_]);
    at_ += bytes;
    return value;
  }

  uint32_t here() const { return static_cast<uint32_t>(regex_.program_.size()); }
  uint32_t emit(Regex::Instruction instruction) {
    if (regex_.program_.size() >= kMaxInstructions) refuse("so long an expression");
    regex_.program_.push_back(instruction);
    return here() - 1;
  }
  Regex::Instruction& at(uint32_t index) { return regex_.program_[index]; }
  void insert(uint32_t where, Regex::Instruction instruction) {
    // Everything that is moved was emitted just now and points behind `where`.
    emit({.op = Op::kJump});
    auto& program = regex_.program_;
    std::rotate(program.begin() + where, program.end() - 1, program.end());
    for (uint32_t i = where + 1; i < here(); ++i) {
      if (program[i].op == Op::kClass || program[i].op == Op::kMatch) continue;
      ++program[i].first;
      ++program[i].second;
    }
    program[where] = instruction;
  }

  // Each of these returns the least number of code points that what it read can match.
  size_t alternatives(bool ignore_case, int depth) {
    if (depth > kMaxDepth) refuse("so deep a nesting");
    const uint32_t begin = here();
    size_t shortest = sequence(ignore_case, depth);
    if (!skip("|")) return shortest;
    // split first, jump to the end, other alternatives
    insert(begin, {.op = Op::kSplit, .first = begin + 1});
    const uint32_t jump = emit({.op = Op::kJump});
    at(begin).second = here();
    shortest = std::min(shortest, alternatives(ignore_case, depth + 1));
    at(jump).first = here();
    return shortest;
  }

  size_t sequence(bool ignore_case, int depth) {
    size_t shortest = 0;
    char32_t last_folded = 0;  // the letter before this one, if case is ignored
    while (more() && !sees("|") && !sees(")")) {
      const uint32_t begin = here();
      char32_t folded = 0;
      size_t least = 0;
      if (sees("(")) {
        least = group(ignore_case, depth);
      } else if (skip("^")) {
        emit({.op = Op::kLineBegin});
      } else if (skip("$")) {
        emit({.op = Op::kLineEnd});
      } else {
        Class one = single(ignore_case, folded);
        if (folds_together(last_folded, folded)) {
          refuse("ignoring case where two letters equal one, such as 'ss' and 'ß',");
        }
        emit({.op = Op::kClass, .index = static_cast<uint32_t>(regex_.classes_.size())});
        regex_.classes_.push_back(std::move(one));
        least = 1;
      }
      last_folded = folded;
      const Repeat repeat = quantifier();
      apply(repeat, begin, least);
      if (repeat.high != 1 || repeat.low != 1) last_folded = 0;
      if (folded != 0 && (repeat.high != 1 || repeat.low != 1))
        refuse("repeating a letter without case");
      shortest += repeat.low == 0 ? 0 : least;
    }
    return shortest;
  }

  size_t group(bool ignore_case, int depth) {
    const size_t opening = at_;
    size_t least = 0;
    skip("(");
    if (sees("?=") || sees("?!")) {
      const bool negative = sees("?!");
      at_ += 2;
      const uint32_t look = emit({.op = Op::kLook, .negative = negative});
      alternatives(ignore_case, depth + 1);
      emit({.op = Op::kMatch});
      at(look).first = here();
    } else {
      if (skip("?i:")) {
        ignore_case = true;
      } else if (!skip("?:") && sees("?")) {
        refuse(fmt::format("'({}'", pattern_.substr(at_, 2)));
      }
      least = alternatives(ignore_case, depth + 1);
    }
    if (!skip(")")) {
      at_ = opening;
      refuse("an unfinished group");
    }
    return least;
  }

  Repeat quantifier() {
    Repeat repeat;
    const bool braces = sees("{");
    if (skip("?")) {
      repeat = {0, 1};
    } else if (skip("*")) {
      repeat = {0, kUnlimited};
    } else if (skip("+")) {
      repeat = {1, kUnlimited};
    } else if (skip("{")) {
      repeat.low = repeat.high = number();
      if (skip(",")) repeat.high = sees("}") ? kUnlimited : number();
      if (!skip("}") || repeat.low > repeat.high || repeat.high == 0) refuse("this repetition");
    } else {
      return repeat;
    }
    if (sees("+") && braces) refuse("'+' after a repetition in braces");
    if (skip("?")) {
      if (braces) refuse("'?' after a repetition in braces");
      repeat.greed = Greed::kLazy;
    } else if (skip("+")) {
      repeat.greed = Greed::kPossessive;
    }
    if (sees("?") || sees("*") || sees("+") || sees("{")) refuse("a repeated repetition");
    return repeat;
  }

  uint32_t number() {
    uint32_t value = 0;
    const size_t begin = at_;
    while (more() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
      value = 10 * value + static_cast<uint32_t>(pattern_[at_++] - '0');
      if (value > kMaxRepeats) refuse("so many repetitions");
    }
    if (at_ == begin) refuse("this repetition");
    return value;
  }

  // Repeats what stands from `begin` on.
  void apply(Repeat repeat, uint32_t begin, size_t least) {
    if (repeat.low == 1 && repeat.high == 1) return;
    const bool one_class = here() == begin + 1 && at(begin).op == Op::kClass;
    if (one_class && at(begin).low == 1 && at(begin).high == 1) {
      at(begin).low = repeat.low;
      at(begin).high = repeat.high;
      at(begin).greed = repeat.greed;
      return;
    }
    if (least == 0) refuse("repeating what may be empty");
    if (repeat.greed == Greed::kLazy || (repeat.high != 1 && repeat.high != kUnlimited) ||
        repeat.low > 1) {
      refuse("this repetition of a group");
    }
    if (repeat.high == 1) {
      insert(begin, {.op = Op::kSplit, .first = begin + 1, .second = 0});
      at(begin).second = here();
    } else if (repeat.low == 0) {
      insert(begin, {.op = Op::kSplit, .first = begin + 1, .second = 0});
      emit({.op = Op::kJump, .first = begin});
      at(begin).second = here();
    } else {
      const uint32_t split = emit({.op = Op::kSplit, .first = begin});
      at(split).second = here();
    }
    if (repeat.greed == Greed::kPossessive) {
      insert(begin, {.op = Op::kPossessive});
      emit({.op = Op::kMatch});
      at(begin).first = here();
    }
  }

  // One code point or class outside brackets.
  Class single(bool ignore_case, char32_t& folded) {
    if (sees("[")) return brackets(ignore_case, 0);
    if (sees("?") || sees("*") || sees("+") || sees("{")) {
      refuse(fmt::format("'{}' here", pattern_[at_]));
    }
    Class result;
    if (skip(".")) {
      result.ranges = {{'\n', '\n'}};
      result.negated = true;
      return result;
    }
    if (sees("\\") && escaped_class(result)) return result;
    const char32_t c = sees("\\") ? escaped() : take();
    add(c, c, ignore_case, result);
    if (ignore_case) folded = c;
    return result;
  }

  void add(char32_t low, char32_t high, bool ignore_case, Class& result) {
    if (low > high) refuse("a range from high to low");
    result.ranges.emplace_back(low, high);
    if (!ignore_case) return;
    if (high >= 128) refuse("ignoring the case of more than ASCII");
    for (char32_t c = low; c <= high; ++c) {
      if (!is_ascii_letter(c)) continue;
      result.ranges.emplace_back(c ^ 32, c ^ 32);
      if ((c | 32) == 's') result.ranges.emplace_back(0x17F, 0x17F);    // ſ
      if ((c | 32) == 'k') result.ranges.emplace_back(0x212A, 0x212A);  // Kelvin
    }
  }

  Class brackets(bool ignore_case, int depth) {
    if (depth > kMaxDepth) refuse("so deep a nesting");
    Class result;
    skip("[");
    result.negated = skip("^");
    // Oniguruma is inconsistent in both: [^[^\D[\p{Nd}]]] lacks the digits, (?i:[^[^s]]) the S.
    if (result.negated && depth > 0) refuse("a negated class within a class");
    if (sees("]")) refuse("']' as the first of a class");
    while (!skip("]")) {
      if (!more()) refuse("an unfinished class");
      if (sees("[:")) refuse("'[:'");
      if (sees("&&")) refuse("'&&'");
      if (sees("[")) {
        result.nested.push_back(brackets(ignore_case, depth + 1));
        continue;
      }
      const bool folds = sees("\\p") || sees("\\P") || sees("\\S") || sees("\\D");
      // There all members are folded: (?i:[\p{Lu}]) matches a, (?i:[\S]) matches ss for its ß.
      if (ignore_case && folds) refuse(fmt::format("'{}' in (?i:[])", pattern_.substr(at_, 2)));
      if (sees("\\") && escaped_class(result)) {
        if (sees("-") && !sees("-]")) refuse("a range that begins with a class");
        continue;
      }
      const char32_t low = sees("\\") ? escaped() : take();
      char32_t high = low;
      if (sees("-") && !sees("-]")) {
        if (low == '-') refuse("a range from '-'");
        skip("-");
        if (sees("[")) refuse("a range to '['");
        Class unused;
        if (sees("\\") && escaped_class(unused)) refuse("a range that ends with a class");
        high = sees("\\") ? escaped() : take();
      }
      add(low, high, ignore_case, result);
    }
    return result;
  }

  // Reads \s, \p{…} and the like into `result`; false if another escape stands here.
  bool escaped_class(Class& result) {
    if (sees("\\s") || sees("\\S")) {
      (sees("\\s") ? result.space : result.not_space) = true;
      at_ += 2;
      return true;
    }
    bool negated = sees("\\P{") || sees("\\D");
    CategorySet set = 0;
    if (sees("\\d") || sees("\\D")) {
      set = set_of(Category::Nd);
      at_ += 2;
    } else if (sees("\\p{") || sees("\\P{")) {
      const size_t end = pattern_.find('}', at_);
      if (end == std::string_view::npos) refuse("an unfinished property");
      std::string_view name = pattern_.substr(at_ + 3, end - at_ - 3);
      if (name.starts_with('^')) {
        negated = !negated;
        name.remove_prefix(1);
      }
      const std::optional<CategorySet> named = categories_named(name);
      if (!named) refuse(fmt::format("property '{}'", name));
      set = *named;
      at_ = end + 1;
    } else {
      return false;
    }
    constexpr CategorySet kAll = (set_of(Category::Cn) << 1) - 1;
    result.categories |= negated ? kAll & ~set : set;
    return true;
  }

  char32_t escaped() {
    const size_t begin = at_;
    skip("\\");
    const char32_t c = take();
    switch (c) {
      case 'r':
        return '\r';
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case 'x':
        return skip("{") ? hexadecimal(1, 6, true) : hexadecimal(2, 2, false);
      case 'u':
        return hexadecimal(4, 4, false);
      default:
        break;
    }
    const bool punctuation = c < 128 && c > 32 && !is_ascii_letter(c) && !(c >= '0' && c <= '9');
    if (c != ' ' && !punctuation) {
      at_ = begin;
      refuse(fmt::format("'{}'", pattern_.substr(at_, 2)));
    }
    return c;
  }

  char32_t hexadecimal(size_t least, size_t most, bool braces) {
    char32_t value = 0;
    size_t digits = 0;
    for (; digits < most && more(); ++digits) {
      const size_t digit =
          std::string_view("0123456789abcdef")
              .find(static_cast<char>(pattern_[at_] |
                                      (pattern_[at_] >= 'A' && pattern_[at_] <= 'F' ? 32 : 0)));
      if (digit == std::string_view::npos) break;
      value = 16 * value + static_cast<char32_t>(digit);
      ++at_;
    }
    if (digits < least || (braces && !skip("}")) || value > 0x10FFFF ||
        (value >= 0xD800 && value < 0xE000) || (!braces && most == 2 && value > 0x7F)) {
      refuse("this number of a code point");
    }
    return value;
  }

  std::string_view pattern_;
  Regex& regex_;
  size_t at_ = 0;
};

Regex::Regex(std::string_view pattern) { RegexParser(pattern, *this).parse(); }

Regex Regex::literal(std::string_view text) {
  if (text.empty() || !is_valid_utf8(text)) throw Error("a Split pattern is empty or not UTF-8");
  Regex regex;
  for (size_t i = 0; i < text.size();) {
    const auto [value, bytes] = decode_utf8(&text[i]);
    regex.program_.push_back(
        {.op = Op::kClass, .index = static_cast<uint32_t>(regex.classes_.size())});
    regex.classes_.emplace_back().ranges = {{value, value}};
    i += bytes;
  }
  regex.program_.push_back({.op = Op::kMatch});
  return regex;
}

Regex Regex::punctuation() {
  Regex regex;
  regex.program_ = {{.op = Op::kClass}, {.op = Op::kMatch}};
  regex.classes_.emplace_back().punctuation = true;
  return regex;
}

std::optional<Regex::Match> Regex::search(std::string_view text, size_t from) const {
  while (from < text.size()) {
    if (const std::optional<size_t> end = match_at(text, from, 0)) return Match{from, *end};
    from += decode_utf8(&text[from]).bytes;
  }
  return std::nullopt;
}

std::optional<size_t> Regex::match_at(std::string_view text, size_t at, uint32_t start) const {
  // A place to go on from when the present way fails.
  struct Choice {
    enum class Kind : uint8_t { kOnce, kGiveBack, kTakeMore } kind;
    uint32_t pc;
    size_t at;
    size_t low;     // kGiveBack: down to here, one code point after another
    uint32_t more;  // kTakeMore: at most so many of the class at pc - 1
  };
  using Kind = Choice::Kind;
  std::vector<Choice> choices;
  uint32_t pc = start;
  const auto step = [&](const CodePointClass& one) {
    if (at >= text.size()) return false;
    const auto [value, bytes] = decode_utf8(&text[at]);
    if (!one.matches(value)) return false;
    at += bytes;
    return true;
  };
  size_t resumed = 0;
  const auto resume = [&] {
    if (++resumed > kMaxResumed) {
      throw Error("a Split expression backtracks more than {} times; simplify it", kMaxResumed);
    }
    while (!choices.empty()) {
      Choice& choice = choices.back();
      pc = choice.pc;
      at = choice.at;
      if (choice.kind == Kind::kOnce) {
        choices.pop_back();
        return true;
      }
      if (choice.kind == Kind::kGiveBack) {
        at = choice.at = static_cast<size_t>(previous_code_point(text.data() + at) - text.data());
        if (at == choice.low) choices.pop_back();
        return true;
      }
      const bool stepped = step(classes_[program_[pc - 1].index]);
      choice.at = at;
      if (!stepped || --choice.more == 0) choices.pop_back();
      if (stepped) return true;
    }
    return false;
  };
  while (true) {
    const Instruction& now = program_[pc];
    bool failed = false;
    switch (now.op) {
      case Op::kMatch:
        return at;
      case Op::kJump:
        pc = now.first;
        break;
      case Op::kSplit:
        choices.push_back({Kind::kOnce, now.second, at, 0, 0});
        pc = now.first;
        break;
      case Op::kLook:
        failed = match_at(text, at, pc + 1).has_value() == now.negative;
        pc = now.first;
        break;
      case Op::kPossessive: {
        const std::optional<size_t> end = match_at(text, at, pc + 1);
        failed = !end;
        at = end.value_or(at);
        pc = now.first;
        break;
      }
      case Op::kLineBegin:
        // After the last line's end no line begins.
        failed = at > 0 && (text[at - 1] != '\n' || at == text.size());
        ++pc;
        break;
      case Op::kLineEnd:
        failed = at < text.size() && text[at] != '\n';
        ++pc;
        break;
      case Op::kClass: {
        const CodePointClass& one = classes_[now.index];
        uint32_t count = 0;
        for (; count < now.low && !failed; ++count) failed = !step(one);
        if (failed) break;
        ++pc;
        if (now.greed == Greed::kLazy) {
          if (now.high > count) choices.push_back({Kind::kTakeMore, pc, at, 0, now.high - count});
          break;
        }
        const size_t low = at;
        for (; count < now.high && step(one); ++count) {
        }
        if (now.greed == Greed::kGreedy && at > low) {
          choices.push_back({Kind::kGiveBack, pc, at, low, 0});
        }
        break;
      }
    }
    if (failed && !resume()) return std::nullopt;
  }
}

}  // namespace demix
