// What lm-evaluation-harness 0.4.13 makes of a generated answer before it is compared, and how it
// compares: the filters of a task's filter_list and the metric exact_match.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

// The judge of such tasks (judge.h).
inline constexpr std::string_view kFilterJudge = "filters";

struct AnswerFilter {
  enum class Kind : uint8_t {
    kRegex,
    kMultiChoiceRegex,
    kRemoveWhitespace,
    kLowercase,
    kUppercase
  };
  Kind kind = Kind::kRegex;
  // kRegex: of the matches of a Python expression the one at group_select, from the end where that
  // is negative; of its groups the first that is not empty. `fallback` where there is none.
  std::string pattern;
  int64_t group_select = 0;
  std::string fallback = "[invalid]";
  // kMultiChoiceRegex: as kRegex, but before the fallback one of the item's choices is looked for,
  // then a letter behind a colon; either gives "(A)", "(B)", …
  // Of choices and answer are removed and folded before the search:
  std::vector<std::string> regexes_to_ignore;
  bool ignore_case = false, ignore_punctuation = false;
};

// Filters one after the other, and the metric that compares what they leave.
struct AnswerPipeline {
  std::string metric;  // "exact_match", "exact_match,strict-match"
  std::vector<AnswerFilter> filters;
};

struct ExactMatch {
  std::vector<std::string> regexes_to_ignore;  // Python expressions
  bool ignore_case = false;
  bool ignore_punctuation = false;  // of ASCII
  bool ignore_numbers = false;      // digits of ASCII
};

struct AnswerRules {
  std::vector<AnswerPipeline> pipelines;
  ExactMatch exact_match;

  // Whether a filter looks for the item's choices.
  bool need_choices() const;
};
// That many letters there are.
inline constexpr size_t kMaxLetteredChoices = 26;

class AnswerComparison {
 public:
  // Throws Error on an expression that is wrong or not read here.
  explicit AnswerComparison(const AnswerRules& rules);
  ~AnswerComparison();

  struct Verdict {
    std::string extracted;
    bool right;
  };
  // By pipeline. Right is what equals one of the references. `choices` are the item's, for
  // kMultiChoiceRegex.
  std::vector<Verdict> compare(std::string_view answer,
                               std::span<const std::string> references,
                               std::span<const std::string> choices = {}) const;

  // What of a text is compared, for messages and samples.
  std::string compared(std::string_view text) const;

 private:
  std::string without_ignored(std::string_view text) const;
  std::string folded(std::string text, size_t width) const;

  struct Compiled;
  std::vector<Compiled> pipelines_;
  struct Ignored;
  std::unique_ptr<const Ignored> ignored_;
};

}  // namespace demix
