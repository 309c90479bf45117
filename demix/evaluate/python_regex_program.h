// What a Python expression is compiled to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace demix {

// Code points, by ranges and kinds; those that ignore case hold lower-case ones.
struct RegexSet {
  std::vector<std::pair<char32_t, char32_t>> ranges;
  bool digit = false, not_digit = false, space = false, not_space = false, word = false,
       not_word = false;
  bool negated = false;
  bool ignores_case = false;
  bool matches(char32_t c) const;
};

struct RegexInstruction {
  enum class Op : uint8_t {
    kSet,          // one code point of sets[index]
    kAssert,       // `what` holds here
    kSave,         // registers[index] = place
    kSplit,        // `first` is tried before `second`
    kJump,         // to `first`
    kUnlessMoved,  // to `first` where place == registers[index], an iteration that took nothing
    kLook,         // the body behind this holds `behind` code points back, or not; then `first`
    kEnd,          // of the expression or of a lookaround's body
  };
  enum class What : uint8_t { kBegin, kLineBegin, kEnd, kBeforeEnd, kLineEnd, kBoundary, kInside };
  Op op;
  What what = What::kBegin;
  bool negative = false;  // kLook
  uint32_t index = 0;
  uint32_t first = 0, second = 0;
  uint32_t behind = 0;
  // kSplit: the loops around it that may take nothing, by their registers, and its own number.
  std::vector<uint32_t> loops;
};

struct RegexProgram {
  std::string shown;  // the expression, for messages
  std::vector<RegexInstruction> code;
  std::vector<RegexSet> sets;
  int groups = 0;
  uint32_t registers = 0;  // two for each group, one for each loop
  uint32_t splits = 0, looks = 0;
};

// Throws Error as PythonRegex does.
RegexProgram compile_python_regex(std::string_view pattern);

}  // namespace demix
