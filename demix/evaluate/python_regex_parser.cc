// Reads a Python expression into a tree, and the tree into a program.
#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include "demix/core/error.h"
#include "demix/evaluate/python_regex_program.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

constexpr uint32_t kUnlimited = std::numeric_limits<uint32_t>::max();
constexpr size_t kMaxInstructions = 20'000;
constexpr int kMaxDepth = 100;
constexpr size_t kMaxLoops = 3;  // that may take nothing, within one another

struct Node;
using NodePointer = std::unique_ptr<Node>;

struct Node {
  enum class Kind : uint8_t { kSet, kAssert, kSequence, kChoice, kRepeat, kGroup, kLook } kind;
  uint32_t set = 0;  // kSet: its place in the program's sets
  RegexInstruction::What what{};
  uint32_t low = 0, high = 0;  // kRepeat
  bool greedy = true;
  int group = 0;                          // kGroup: its number; 0: none
  bool behind = false, negative = false;  // kLook
  std::vector<NodePointer> parts;
};
using Kind = Node::Kind;

NodePointer make(Kind kind) {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  return node;
}

// The fewest and the most code points that a node takes.
struct Width {
  uint64_t low = 0, high = 0;
};
constexpr uint64_t kWide = uint64_t{1} << 32;

Width width_of(const Node& node) {
  Width width;
  switch (node.kind) {
    case Kind::kSet:
      return {1, 1};
    case Kind::kAssert:
    case Kind::kLook:
      return {};
    case Kind::kChoice:
      width.low = kWide;
      for (const auto& part : node.parts) {
        const Width one = width_of(*part);
        width = {std::min(width.low, one.low), std::max(width.high, one.high)};
      }
      return width;
    case Kind::kRepeat: {
      const Width one = width_of(*node.parts[0]);
      return {std::min(kWide, one.low * node.low), std::min(kWide, one.high * node.high)};
    }
    default:
      for (const auto& part : node.parts) {
        const Width one = width_of(*part);
        width = {std::min(kWide, width.low + one.low), std::min(kWide, width.high + one.high)};
      }
      return width;
  }
}

// Lower-case letters that are equal where case is ignored, beside those of the same lower case:
// Python's re._casefix.
constexpr std::array<std::array<char32_t, 3>, 24> kEqualLetters{
    {{0x69, 0x131},   {0x73, 0x17F},    {0xB5, 0x3BC},    {0x345, 0x3B9, 0x1FBE},  {0x390, 0x1FD3},
     {0x3B0, 0x1FE3}, {0x3B2, 0x3D0},   {0x3B5, 0x3F5},   {0x3B8, 0x3D1},          {0x3BA, 0x3F0},
     {0x3C0, 0x3D6},  {0x3C1, 0x3F1},   {0x3C2, 0x3C3},   {0x3C6, 0x3D5},          {0x432, 0x1C80},
     {0x434, 0x1C81}, {0x43E, 0x1C82},  {0x441, 0x1C83},  {0x442, 0x1C84, 0x1C85}, {0x44A, 0x1C86},
     {0x463, 0x1C87}, {0x1C88, 0xA64B}, {0x1E61, 0x1E9B}, {0xFB05, 0xFB06}}};

// Code points of classes that ignore case, in one expression: each is looked up.
constexpr uint64_t kMaxFolded = 1'500'000;

void ignore_case(RegexSet& set) {
  set.ignores_case = true;
  std::vector<std::pair<char32_t, char32_t>> lowered;
  const auto add = [&](char32_t c) {
    if (!lowered.empty() && lowered.back().second + 1 == c)
      lowered.back().second = c;
    else
      lowered.emplace_back(c, c);
  };
  for (const auto& [first, last] : set.ranges)
    for (char32_t c = first; c <= last; ++c) {
      const char32_t letter = lower(c);
      add(letter);
      for (const auto& equal : kEqualLetters)
        if (std::find(equal.begin(), equal.end(), letter) != equal.end() && letter != 0)
          for (const char32_t other : equal)
            if (other != 0 && other != letter) add(other);
    }
  set.ranges = std::move(lowered);
}

class Parser {
 public:
  Parser(std::string_view pattern, RegexProgram& program)
      : shown_(pattern), pattern_(code_points(pattern)), program_(program) {}

  NodePointer parse() {
    Flags flags;
    // Flags of the whole expression.
    while (sees(U"(?") && flags_end() == U')') {
      const size_t begin = at_;
      at_ += 2;
      read_flags(flags);
      if (!skip(U")")) {
        at_ = begin;
        break;
      }
    }
    NodePointer tree = alternatives(flags, 0);
    if (more()) wrong("an unmatched ')'");
    return tree;
  }

 private:
  struct Flags {
    bool ignore_case = false, multiline = false, dot_all = false;
  };

  [[noreturn]] void refuse(std::string_view what) const {
    throw Error("the expression '{}', character {}: {} is not read here",
                printable(shown_, 80),
                at_,
                printable(what));
  }
  [[noreturn]] void wrong(std::string_view what) const {
    throw Error("the expression '{}', character {}: {} is no Python expression",
                printable(shown_, 80),
                at_,
                what);
  }
  bool more() const { return at_ < pattern_.size(); }
  char32_t peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : 0;
  }
  bool sees(std::u32string_view text) const {
    return std::u32string_view(pattern_).substr(std::min(at_, pattern_.size())).starts_with(text);
  }
  bool skip(std::u32string_view text) {
    const bool found = sees(text);
    if (found) at_ += text.size();
    return found;
  }
  char32_t take() {
    if (!more()) wrong("an unfinished construct");
    return pattern_[at_++];
  }

  // What stands behind the letters of "(?ims".
  char32_t flags_end() const {
    size_t end = at_ + 2;
    while (end < pattern_.size() && ((pattern_[end] | 32) >= 'a' && (pattern_[end] | 32) <= 'z'))
      ++end;
    return end < pattern_.size() && end > at_ + 2 ? pattern_[end] : 0;
  }

  void read_flags(Flags& flags) {
    bool on = true;
    while (more() && peek() != U')' && peek() != U':') {
      const char32_t flag = take();
      switch (flag) {
        case '-':
          on = false;
          break;
        case 'i':
          flags.ignore_case = on;
          break;
        case 'm':
          flags.multiline = on;
          break;
        case 's':
          flags.dot_all = on;
          break;
        case 'u':
          break;
        default:
          --at_;
          refuse(fmt::format("the flag '{}'", utf8({&flag, 1})));
      }
    }
  }

  NodePointer alternatives(const Flags& flags, int depth) {
    if (depth > kMaxDepth) refuse("so deep a nesting");
    NodePointer first = sequence(flags, depth);
    if (!sees(U"|")) return first;
    NodePointer choice = make(Kind::kChoice);
    choice->parts.push_back(std::move(first));
    while (skip(U"|")) choice->parts.push_back(sequence(flags, depth));
    return choice;
  }

  NodePointer sequence(const Flags& flags, int depth) {
    NodePointer all = make(Kind::kSequence);
    while (more() && peek() != '|' && peek() != ')') {
      NodePointer one = single(flags, depth);
      if (!one) continue;  // a comment
      repeat(one);
      all->parts.push_back(std::move(one));
    }
    return all;
  }

  // "{2,5}" from here on; nothing where the brace stands for itself.
  std::optional<std::pair<uint32_t, uint32_t>> braces() {
    const size_t begin = at_;
    if (!skip(U"{") || peek() == '}') {
      at_ = begin;
      return std::nullopt;
    }
    const auto number = [&](uint32_t otherwise) {
      if (!(peek() >= '0' && peek() <= '9')) return otherwise;
      uint64_t value = 0;
      while (peek() >= '0' && peek() <= '9') {
        value = 10 * value + (take() - '0');
        if (value >= kMaxInstructions) refuse("so many repetitions");
      }
      return static_cast<uint32_t>(value);
    };
    const bool has_low = peek() >= '0' && peek() <= '9';
    const uint32_t low = number(0);
    uint32_t high = low;
    if (skip(U","))
      high = number(kUnlimited);
    else if (!has_low)
      high = kUnlimited;
    if (!skip(U"}")) {
      at_ = begin;
      return std::nullopt;
    }
    if (high < low) wrong("a repetition from high to low");
    return std::pair(low, high);
  }

  void repeat(NodePointer& one) {
    const size_t begin = at_;
    std::pair<uint32_t, uint32_t> range;
    if (skip(U"?")) {
      range = {0, 1};
    } else if (skip(U"*")) {
      range = {0, kUnlimited};
    } else if (skip(U"+")) {
      range = {1, kUnlimited};
    } else if (const auto given = braces()) {
      range = *given;
    } else {
      return;
    }
    if (one->kind == Kind::kAssert || (one->kind == Kind::kSequence && one->parts.empty())) {
      at_ = begin;
      wrong("nothing to repeat");
    }
    NodePointer node = make(Kind::kRepeat);
    node->low = range.first;
    node->high = range.second;
    if (skip(U"+")) refuse("a possessive repetition");
    node->greedy = !skip(U"?");
    if (peek() == '*' || peek() == '?' || peek() == '+') wrong("a repeated repetition");
    const size_t here = at_;
    if (braces()) {
      at_ = here;
      wrong("a repeated repetition");
    }
    node->parts.push_back(std::move(one));
    one = std::move(node);
  }

  NodePointer single(const Flags& flags, int depth) {
    if (sees(U"(")) return group(flags, depth);
    if (sees(U"[")) return set_node(brackets(), flags);
    if (skip(U".")) {
      RegexSet set;
      set.negated = true;
      if (!flags.dot_all) set.ranges = {{'\n', '\n'}};
      return set_node(set, {});
    }
    if (skip(U"^"))
      return assertion(flags.multiline ? RegexInstruction::What::kLineBegin
                                       : RegexInstruction::What::kBegin);
    if (skip(U"$"))
      return assertion(flags.multiline ? RegexInstruction::What::kLineEnd
                                       : RegexInstruction::What::kBeforeEnd);
    if (sees(U"*") || sees(U"+") || sees(U"?")) wrong("nothing to repeat");
    if (sees(U"\\")) return escape(flags);
    const size_t begin = at_;
    if (sees(U"{") && braces()) {
      at_ = begin;
      wrong("nothing to repeat");
    }
    RegexSet set;
    const char32_t c = take();
    set.ranges = {{c, c}};
    return set_node(set, flags);
  }

  NodePointer set_node(RegexSet set, const Flags& flags) {
    if (flags.ignore_case) {
      for (const auto& [first, last] : set.ranges) folded_ += last - first + 1;
      if (folded_ > kMaxFolded) refuse("so many characters in classes that ignore case");
      ignore_case(set);
    }
    NodePointer node = make(Kind::kSet);
    node->set = static_cast<uint32_t>(program_.sets.size());
    program_.sets.push_back(std::move(set));
    return node;
  }

  static NodePointer assertion(RegexInstruction::What what) {
    NodePointer node = make(Kind::kAssert);
    node->what = what;
    return node;
  }

  NodePointer group(const Flags& outer, int depth) {
    const size_t opening = at_;
    take();
    Flags flags = outer;
    NodePointer node = make(Kind::kGroup);
    bool is_look = false;
    if (skip(U"?")) {
      if (skip(U"#")) {
        while (more() && peek() != ')') ++at_;
        if (!skip(U")")) wrong("an unfinished comment");
        return nullptr;
      }
      if (sees(U"=") || sees(U"!") || sees(U"<=") || sees(U"<!")) {
        node->kind = Kind::kLook;
        is_look = true;
        node->behind = skip(U"<");
        node->negative = take() == '!';
      } else if (skip(U"P<")) {
        std::u32string name;
        while (more() && is_word(peek())) name += take();
        if (!skip(U">") || name.empty()) wrong("the name of a group");
        node->group = ++program_.groups;
      } else if (sees(U"P=") || sees(U"P>")) {
        refuse("a reference to a group");
      } else if (sees(U"(")) {
        refuse("a condition");
      } else if (sees(U">")) {
        refuse("an atomic group");
      } else if (!skip(U":")) {
        if (flags_end_within() == U')') refuse("flags that are not at the beginning");
        read_flags(flags);
        if (!skip(U":")) wrong("an unfinished group");
      }
    } else {
      node->group = ++program_.groups;
    }
    if (node->group != 0 && looks_ > 0) {
      at_ = opening;
      refuse("a group within a lookaround");
    }
    looks_ += is_look ? 1 : 0;
    node->parts.push_back(alternatives(flags, depth + 1));
    looks_ -= is_look ? 1 : 0;
    if (!skip(U")")) {
      at_ = opening;
      wrong("an unfinished group");
    }
    if (is_look && node->behind) {
      const Width width = width_of(*node->parts[0]);
      if (width.low != width.high) wrong("a lookbehind of several widths");
    }
    return node;
  }
  char32_t flags_end_within() const {
    size_t end = at_;
    while (end < pattern_.size() && pattern_[end] != ')' && pattern_[end] != ':') ++end;
    return end < pattern_.size() ? pattern_[end] : 0;
  }

  NodePointer escape(const Flags& flags) {
    using What = RegexInstruction::What;
    static const std::map<char32_t, What> kAssertions{
        {'A', What::kBegin}, {'Z', What::kEnd}, {'b', What::kBoundary}, {'B', What::kInside}};
    if (const auto found = kAssertions.find(peek(1)); found != kAssertions.end()) {
      at_ += 2;
      return assertion(found->second);
    }
    RegexSet set;
    if (!kind_escape(set)) {
      const char32_t c = character_escape(false);
      set.ranges = {{c, c}};
    }
    return set_node(set, flags);
  }

  // \d and the like; false if another escape stands here.
  bool kind_escape(RegexSet& set) {
    bool* field = nullptr;
    switch (peek(1)) {
      case 'd':
        field = &set.digit;
        break;
      case 'D':
        field = &set.not_digit;
        break;
      case 's':
        field = &set.space;
        break;
      case 'S':
        field = &set.not_space;
        break;
      case 'w':
        field = &set.word;
        break;
      case 'W':
        field = &set.not_word;
        break;
      default:
        return false;
    }
    *field = true;
    at_ += 2;
    return true;
  }

  char32_t hexadecimal(size_t digits) {
    char32_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char32_t c = peek() < 128 ? peek() | 32 : 0;
      const bool decimal = peek() >= '0' && peek() <= '9';
      if (!decimal && !(c >= 'a' && c <= 'f')) wrong("an unfinished number of a code point");
      value = 16 * value + (decimal ? peek() - '0' : c - 'a' + 10);
      ++at_;
    }
    if (value > 0x10FFFF) wrong("the number of no code point");
    return value;
  }

  char32_t character_escape(bool in_class) {
    take();
    const char32_t c = take();
    static const std::map<char32_t, char32_t> kNamed{
        {'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'f', '\f'}, {'v', '\v'}, {'a', '\a'}};
    if (const auto found = kNamed.find(c); found != kNamed.end()) return found->second;
    if (c == 'b' && in_class) return '\b';
    if (c == 'x') return hexadecimal(2);
    if (c == 'u') return hexadecimal(4);
    if (c == 'U') return hexadecimal(8);
    if (c >= '0' && c <= '9') {
      const auto octal = [&](size_t ahead) { return peek(ahead) >= '0' && peek(ahead) <= '7'; };
      char32_t value = c - '0';
      if (c == '0' || in_class || (c <= '3' && octal(0) && octal(1))) {
        if (c > '7') wrong("this escape");
        for (int i = 0; i < 2 && octal(0); ++i) value = 8 * value + (take() - '0');
        if (value > 0377) wrong("the number of no code point");
        return value;
      }
      refuse("a reference to a group");
    }
    if ((c | 32) >= 'a' && (c | 32) <= 'z') {
      at_ -= 2;
      refuse(fmt::format("'\\{}'", static_cast<char>(c)));
    }
    return c;
  }

  RegexSet brackets() {
    RegexSet set;
    const size_t opening = at_;
    take();
    set.negated = skip(U"^");
    for (bool first = true;; first = false) {
      if (!more()) {
        at_ = opening;
        wrong("an unfinished class");
      }
      if (peek() == ']' && !first) break;
      if (peek() == '\\' && kind_escape(set)) {
        if (peek() == '-' && peek(1) != ']') wrong("a range that begins with a class");
        continue;
      }
      const char32_t low = peek() == '\\' ? character_escape(true) : take();
      char32_t high = low;
      if (peek() == '-' && peek(1) != ']') {
        take();
        if (!more()) continue;
        RegexSet unused;
        if (peek() == '\\' && kind_escape(unused)) wrong("a range that ends with a class");
        high = peek() == '\\' ? character_escape(true) : take();
      }
      if (high < low) wrong("a range from high to low");
      set.ranges.emplace_back(low, high);
    }
    take();
    return set;
  }

  std::string_view shown_;
  std::u32string pattern_;
  RegexProgram& program_;
  size_t at_ = 0;
  int looks_ = 0;
  uint64_t folded_ = 0;
};

class Compiler {
 public:
  Compiler(std::string_view pattern, RegexProgram& program) : pattern_(pattern), program_(program) {
    program_.registers = 2 * static_cast<uint32_t>(program_.groups);
  }

  void compile(const Node& tree) {
    emit_node(tree);
    emit({.op = Op::kEnd});
  }

 private:
  using Op = RegexInstruction::Op;

  uint32_t here() const { return static_cast<uint32_t>(program_.code.size()); }
  uint32_t emit(RegexInstruction instruction) {
    if (here() >= kMaxInstructions)
      throw Error("the expression '{}' is too long to be read here", printable(pattern_, 80));
    if (instruction.op == Op::kSplit) {
      instruction.index = program_.splits++;
      instruction.loops = loops_;
    }
    program_.code.push_back(std::move(instruction));
    return here() - 1;
  }
  RegexInstruction& at(uint32_t index) { return program_.code[index]; }

  void emit_node(const Node& node) {
    switch (node.kind) {
      case Kind::kSet:
        emit({.op = Op::kSet, .index = node.set});
        return;
      case Kind::kAssert:
        emit({.op = Op::kAssert, .what = node.what});
        return;
      case Kind::kSequence:
        for (const auto& part : node.parts) emit_node(*part);
        return;
      case Kind::kChoice:
        emit_choice(node);
        return;
      case Kind::kRepeat:
        emit_repeat(node);
        return;
      case Kind::kGroup: {
        const auto first = 2 * static_cast<uint32_t>(std::max(node.group, 1) - 1);
        if (node.group) emit({.op = Op::kSave, .index = first});
        emit_node(*node.parts[0]);
        if (node.group) emit({.op = Op::kSave, .index = first + 1});
        return;
      }
      case Kind::kLook: {
        const auto back = static_cast<uint32_t>(node.behind ? width_of(*node.parts[0]).low : 0);
        const uint32_t look = emit({.op = Op::kLook,
                                    .negative = node.negative,
                                    .index = program_.looks++,
                                    .behind = back});
        emit_node(*node.parts[0]);
        emit({.op = Op::kEnd});
        at(look).first = here();
        return;
      }
    }
  }

  void emit_choice(const Node& node) {
    std::vector<uint32_t> jumps;
    for (size_t i = 0; i < node.parts.size(); ++i) {
      const bool last = i + 1 == node.parts.size();
      const uint32_t split = last ? 0 : emit({.op = Op::kSplit});
      if (!last) at(split).first = here();
      emit_node(*node.parts[i]);
      if (last) break;
      jumps.push_back(emit({.op = Op::kJump}));
      at(split).second = here();
    }
    for (const uint32_t jump : jumps) at(jump).first = here();
  }

  // One more iteration of a loop, if the text has it: a split to the body behind it and to what
  // `ends` will point at.
  void emit_iteration(const Node& node, std::vector<uint32_t>& ends, bool again) {
    const bool may_be_empty = width_of(*node.parts[0]).low == 0;
    const uint32_t split = emit({.op = Op::kSplit});
    (node.greedy ? at(split).first : at(split).second) = here();
    ends.push_back(split);
    uint32_t place = 0;
    if (may_be_empty) {
      place = program_.registers++;
      if (loops_.size() >= kMaxLoops)
        throw Error("the expression '{}' nests repetitions of what may be empty too deeply",
                    printable(pattern_, 80));
      emit({.op = Op::kSave, .index = place});
      loops_.push_back(place);
    }
    emit_node(*node.parts[0]);
    if (may_be_empty) {
      loops_.pop_back();
      ends.push_back(emit({.op = Op::kUnlessMoved, .index = place}));
    }
    if (again) emit({.op = Op::kJump, .first = split});
  }

  void emit_repeat(const Node& node) {
    for (uint32_t i = 0; i < node.low; ++i) {
      const uint32_t begin = here();
      emit_node(*node.parts[0]);
      if (here() == begin) break;  // nothing, however often
    }
    std::vector<uint32_t> ends;
    if (node.high == kUnlimited) {
      emit_iteration(node, ends, true);
    } else {
      for (uint32_t i = node.low; i < node.high; ++i) emit_iteration(node, ends, false);
    }
    for (const uint32_t end : ends) {
      const bool is_second = at(end).op == Op::kSplit && node.greedy;
      (is_second ? at(end).second : at(end).first) = here();
    }
  }

  std::string_view pattern_;
  RegexProgram& program_;
  std::vector<uint32_t> loops_;
};

}  // namespace

RegexProgram compile_python_regex(std::string_view pattern) {
  RegexProgram program;
  program.shown = printable(pattern, 80);
  const NodePointer tree = Parser(pattern, program).parse();
  Compiler(pattern, program).compile(*tree);
  return program;
}

}  // namespace demix
