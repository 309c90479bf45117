#include "demix/evaluate/python_regex.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "demix/core/error.h"
#include "demix/evaluate/python_regex_program.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

using Op = RegexInstruction::Op;
using What = RegexInstruction::What;

constexpr uint32_t kNowhere = std::numeric_limits<uint32_t>::max();
// Of what is remembered about one text, of the choices left open, and of the work on it.
constexpr size_t kMaxBits = size_t{1} << 31;
constexpr size_t kMaxChoices = size_t{1} << 25;
constexpr uint64_t kMaxSteps = 30'000'000;

// Finds matches in one text, from left to right. Failures are remembered from one place to the
// next: whether what follows an instruction can match depends on the place alone, and within loops
// that may take nothing on whether they have taken something.
class Matcher {
 public:
  Matcher(const RegexProgram& program, std::u32string_view text)
      : program_(program),
        text_(text),
        registers_(program.registers, kNowhere),
        failed_(program.splits),
        looks_(program.looks) {}

  struct Match {
    uint32_t begin, end;
    std::vector<uint32_t> registers;
  };

  // The leftmost match from `from` on; where `moved`, not the empty one at `from`.
  std::optional<Match> next(uint32_t from, bool moved) {
    for (uint32_t begin = from; begin <= text_.size(); ++begin) {
      std::fill(registers_.begin(), registers_.end(), kNowhere);
      steps_ += registers_.size() / 8;
      forbidden_ = moved && begin == from ? begin : kNowhere;
      const uint32_t end = run(0, begin, false);
      if (end != kNowhere) return Match{begin, end, registers_};
    }
    return std::nullopt;
  }

 private:
  struct Choice {
    enum class Kind : uint8_t { kGoOn, kRestore, kFailed } kind;
    uint32_t where;  // instruction, register
    uint32_t place;  // in the text; of kRestore the value
    uint32_t key;    // kFailed
  };

  bool holds(What what, uint32_t at) const {
    const auto size = static_cast<uint32_t>(text_.size());
    const auto word = [&](uint32_t i) { return i < size && is_word(text_[i]); };
    switch (what) {
      case What::kBegin:
        return at == 0;
      case What::kLineBegin:
        return at == 0 || text_[at - 1] == '\n';
      case What::kEnd:
        return at == size;
      case What::kBeforeEnd:
        return at == size || (at + 1 == size && text_[at] == '\n');
      case What::kLineEnd:
        return at == size || text_[at] == '\n';
      case What::kBoundary:
      case What::kInside:
        // Neither holds in an empty text.
        return size > 0 && ((at > 0 && word(at - 1)) != word(at)) == (what == What::kBoundary);
    }
    return false;
  }

  // Whether a split at this place has failed before, and the key under which to note it.
  bool has_failed(const RegexInstruction& split, uint32_t at, uint32_t& key) {
    uint32_t moved = 0;
    for (size_t i = 0; i < split.loops.size(); ++i)
      moved |= registers_[split.loops[i]] == at ? 0 : 1u << i;
    key = (at << split.loops.size()) | moved;
    auto& failed = failed_[split.index];
    if (failed.empty()) {
      const size_t bits = (text_.size() + 1) << split.loops.size();
      bits_ += bits;
      if (bits_ > kMaxBits) give_up();
      failed.resize(bits);
    }
    return failed[key];
  }

  [[noreturn]] void give_up() const {
    throw Error("the expression '{}' takes too long for a text of {} characters",
                program_.shown,
                text_.size());
  }

  bool look(const RegexInstruction& now, uint32_t pc, uint32_t at) {
    if (at < now.behind) return now.negative;
    auto& known = looks_[now.index];
    if (known.empty()) known.resize(text_.size() + 1);
    uint8_t& found = known[at];  // 0: not known, 1: holds, 2: does not
    if (found == 0) found = run(pc + 1, at - now.behind, true) != kNowhere ? 1 : 2;
    return (found == 1) != now.negative;
  }

  // The end of a match by the instructions from `pc` on. The body of a lookaround is `inner`: it
  // leaves no trace in the registers.
  uint32_t run(uint32_t pc, uint32_t at, bool inner) {
    const size_t bottom = choices_.size();
    while (true) {
      if (++steps_ > kMaxSteps || choices_.size() > kMaxChoices) give_up();
      const RegexInstruction& now = program_.code[pc];
      bool failed = false;
      switch (now.op) {
        case Op::kEnd:
          if (inner || at != forbidden_) {
            if (inner) unwind(bottom);
            choices_.resize(bottom);
            return at;
          }
          failed = true;
          break;
        case Op::kSet:
          steps_ += program_.sets[now.index].ranges.size() / 8;
          failed = at >= text_.size() || !program_.sets[now.index].matches(text_[at]);
          ++at;
          ++pc;
          break;
        case Op::kAssert:
          failed = !holds(now.what, at);
          ++pc;
          break;
        case Op::kSave:
          choices_.push_back({Choice::Kind::kRestore, now.index, registers_[now.index], 0});
          registers_[now.index] = at;
          ++pc;
          break;
        case Op::kSplit: {
          uint32_t key = 0;
          failed = has_failed(now, at, key);
          if (failed) break;
          choices_.push_back({Choice::Kind::kFailed, now.index, 0, key});
          choices_.push_back({Choice::Kind::kGoOn, now.second, at, 0});
          pc = now.first;
          break;
        }
        case Op::kJump:
          pc = now.first;
          break;
        case Op::kUnlessMoved:
          pc = registers_[now.index] == at ? now.first : pc + 1;
          break;
        case Op::kLook: {
          const uint32_t behind_body = now.first;
          failed = !look(now, pc, at);
          pc = behind_body;
          break;
        }
      }
      if (failed && !resume(bottom, pc, at)) return kNowhere;
    }
  }

  bool resume(size_t bottom, uint32_t& pc, uint32_t& at) {
    while (choices_.size() > bottom) {
      const Choice choice = choices_.back();
      choices_.pop_back();
      if (choice.kind == Choice::Kind::kRestore) {
        registers_[choice.where] = choice.place;
      } else if (choice.kind == Choice::Kind::kFailed) {
        failed_[choice.where][choice.key] = true;
      } else {
        pc = choice.where;
        at = choice.place;
        return true;
      }
    }
    return false;
  }

  // Puts registers back as they were.
  void unwind(size_t bottom) {
    for (size_t i = choices_.size(); i > bottom; --i)
      if (choices_[i - 1].kind == Choice::Kind::kRestore)
        registers_[choices_[i - 1].where] = choices_[i - 1].place;
  }

  const RegexProgram& program_;
  std::u32string_view text_;
  std::vector<uint32_t> registers_;
  std::vector<Choice> choices_;
  std::vector<std::vector<bool>> failed_;    // by split
  std::vector<std::vector<uint8_t>> looks_;  // by lookaround
  size_t bits_ = 0;
  uint64_t steps_ = 0;
  uint32_t forbidden_ = kNowhere;
};

// Calls on_match(match) for every one that re.finditer gives.
template <typename OnMatch>
void for_each_match(const RegexProgram& program,
                    std::u32string_view text,
                    const OnMatch& on_match) {
  Matcher matcher(program, text);
  uint32_t from = 0;
  bool moved = false;
  while (const auto match = matcher.next(from, moved)) {
    on_match(*match);
    from = match->end;
    moved = match->begin == match->end;
  }
}

}  // namespace

bool RegexSet::matches(char32_t c) const {
  if (ignores_case) c = lower(c);
  bool found = false;
  for (const auto& [low, high] : ranges) found |= c >= low && c <= high;
  if (!found && (digit || not_digit)) found = is_decimal(c) ? digit : not_digit;
  if (!found && (space || not_space)) found = is_space(c) ? space : not_space;
  if (!found && (word || not_word)) found = is_word(c) ? word : not_word;
  return found != negated;
}

PythonRegex::PythonRegex(std::string_view pattern)
    : program_(std::make_shared<const RegexProgram>(compile_python_regex(pattern))) {}

int PythonRegex::groups() const { return program_->groups; }

size_t PythonRegex::cost(size_t text_bytes) const {
  return program_->code.size() * (text_bytes + 1);
}

std::vector<std::vector<std::string>> PythonRegex::find_all(std::string_view text) const {
  const std::u32string points = code_points(text);
  const std::u32string_view view = points;
  std::vector<std::vector<std::string>> found;
  for_each_match(*program_, points, [&](const Matcher::Match& match) {
    auto& texts = found.emplace_back();
    if (program_->groups == 0)
      texts.push_back(utf8(view.substr(match.begin, match.end - match.begin)));
    for (int group = 0; group < program_->groups; ++group) {
      const uint32_t begin = match.registers[2 * group], end = match.registers[2 * group + 1];
      const bool took_part = begin != kNowhere && end != kNowhere && begin <= end;
      texts.push_back(took_part ? utf8(view.substr(begin, end - begin)) : "");
    }
  });
  return found;
}

std::string PythonRegex::replace(std::string_view text, std::string_view by) const {
  const std::u32string points = code_points(text);
  const std::u32string_view view = points;
  std::string result;
  uint32_t at = 0;
  for_each_match(*program_, points, [&](const Matcher::Match& match) {
    result += utf8(view.substr(at, match.begin - at));
    result += by;
    at = match.end;
  });
  return result += utf8(view.substr(at));
}

}  // namespace demix
