#include "demix/evaluate/answer_filters.h"

#include <algorithm>
#include <map>
#include <optional>

#include "demix/core/error.h"
#include "demix/evaluate/python_regex.h"
#include "demix/evaluate/text.h"

namespace demix {

// A filter with its expression ready.
struct AnswerComparison::Compiled {
  struct Step {
    AnswerFilter filter;
    std::optional<PythonRegex> regex;
    std::vector<PythonRegex> ignored;  // of kMultiChoiceRegex
  };
  std::vector<Step> steps;
};

struct AnswerComparison::Ignored {
  ExactMatch options;
  std::vector<PythonRegex> regexes;
};

namespace {

// What of the matches is selected, or `fallback`.
std::string extracted(const PythonRegex& regex,
                      int64_t group_select,
                      std::string_view fallback,
                      std::string_view text) {
  const auto matches = regex.find_all(text);
  const auto size = static_cast<int64_t>(matches.size());
  const int64_t at = group_select < 0 ? group_select + size : group_select;
  if (at < 0 || at >= size) return std::string(fallback);  // the harness stops, but for no match
  const std::vector<std::string>& groups = matches[static_cast<size_t>(at)];
  if (groups.size() == 1) return std::string(strip(groups[0]));
  const auto found =
      std::find_if(groups.begin(), groups.end(), [](const auto& group) { return !group.empty(); });
  return std::string(strip(found == groups.end() ? fallback : *found));
}

// ---- multi_choice_regex: MultiChoiceRegexFilter of lm_eval/filters/extraction.py ----

// re.escape, for our reader of expressions.
std::string escaped(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    const bool is_plain = static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') ||
                          ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (!is_plain) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

std::string simplified(const AnswerFilter& filter,
                       std::span<const PythonRegex> ignored,
                       std::string_view text) {
  std::string rest = utf8(code_points(text));
  for (const PythonRegex& regex : ignored) rest = regex.replace(rest, "");
  if (filter.ignore_case) rest = lower(rest);
  if (!filter.ignore_punctuation) return rest;
  std::u32string points = code_points(rest);
  std::erase_if(points, is_punctuation);
  return utf8(points);
}

std::string chosen(const AnswerFilter& filter,
                   const PythonRegex& regex,
                   std::span<const PythonRegex> ignored,
                   std::span<const std::string> choices,
                   std::string_view answer) {
  const auto selected = [&](const PythonRegex& by, std::string_view from) {
    return extracted(by, filter.group_select, "", from);
  };
  if (std::string found = selected(regex, answer); !found.empty()) return found;
  std::vector<std::string> texts;
  std::map<std::string, std::string> letters;
  std::string all_letters;
  for (size_t i = 0; i < choices.size(); ++i) {
    const char letter = static_cast<char>('A' + i);
    texts.push_back(simplified(filter, ignored, strip(choices[i])));
    letters[texts.back()] = {'(', letter, ')'};
    all_letters += all_letters.empty() ? "" : "|";
    all_letters += letter;
  }
  // Long ones first: "Guilty" would be found in "Guilty of Romance".
  std::stable_sort(texts.begin(), texts.end(), [](const std::string& a, const std::string& b) {
    return count_characters(escaped(a)) > count_characters(escaped(b));
  });
  std::string pattern;
  for (const std::string& text : texts) pattern += (pattern.empty() ? "" : "|") + escaped(text);
  std::string found = selected(PythonRegex(pattern), simplified(filter, ignored, answer));
  if (const auto letter = letters.find(found); !found.empty() && letter != letters.end())
    found = letter->second;
  if (!found.empty()) return found;
  found = selected(PythonRegex(":[\\s]*(" + all_letters + ")"), answer);
  if (found.empty()) return filter.fallback;
  return found.size() == 1 && all_letters.find(found) != std::string::npos ? "(" + found + ")"
                                                                           : found;
}

std::string without(std::string_view text, std::string_view characters) {
  std::string rest;
  for (const char c : text)
    if (characters.find(c) == std::string_view::npos) rest += c;
  return rest;
}

}  // namespace

bool AnswerRules::need_choices() const {
  return std::ranges::any_of(pipelines, [](const AnswerPipeline& pipeline) {
    return std::ranges::any_of(pipeline.filters, [](const AnswerFilter& filter) {
      return filter.kind == AnswerFilter::Kind::kMultiChoiceRegex;
    });
  });
}

AnswerComparison::AnswerComparison(const AnswerRules& rules) {
  for (const AnswerPipeline& pipeline : rules.pipelines) {
    Compiled& compiled = pipelines_.emplace_back();
    for (const AnswerFilter& filter : pipeline.filters) {
      Compiled::Step& step = compiled.steps.emplace_back();
      step.filter = filter;
      if (filter.kind == AnswerFilter::Kind::kRegex ||
          filter.kind == AnswerFilter::Kind::kMultiChoiceRegex)
        step.regex.emplace(filter.pattern);
      for (const std::string& pattern : filter.regexes_to_ignore)
        step.ignored.emplace_back(pattern);
    }
  }
  auto ignored = std::make_unique<Ignored>();
  ignored->options = rules.exact_match;
  for (const std::string& pattern : ignored->options.regexes_to_ignore)
    ignored->regexes.emplace_back(pattern);
  ignored_ = std::move(ignored);
}

AnswerComparison::~AnswerComparison() = default;

std::string AnswerComparison::without_ignored(std::string_view text) const {
  std::string rest = utf8(code_points(text));
  for (const PythonRegex& regex : ignored_->regexes) rest = regex.replace(rest, "");
  // The harness compares numpy's texts, which have no zeros at their end …
  rest.erase(rest.find_last_not_of('\0') + 1);
  return rest;
}

std::string AnswerComparison::folded(std::string text, size_t width) const {
  constexpr std::string_view kPunctuation = R"(!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~)";
  // … and in lower case are no longer than the longest was before ("İ" becomes two).
  if (ignored_->options.ignore_case)
    text = utf8(std::u32string_view(code_points(lower(text))).substr(0, width));
  if (ignored_->options.ignore_punctuation) text = without(text, kPunctuation);
  if (ignored_->options.ignore_numbers) text = without(text, "0123456789");
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

std::string AnswerComparison::compared(std::string_view text) const {
  std::string rest = without_ignored(text);
  const auto width = static_cast<size_t>(count_characters(rest));
  return folded(std::move(rest), width);
}

std::vector<AnswerComparison::Verdict> AnswerComparison::compare(
    std::string_view answer,
    std::span<const std::string> references,
    std::span<const std::string> choices) const {
  std::vector<std::string> golds;
  size_t width = 0;
  for (const std::string& reference : references) {
    golds.push_back(without_ignored(reference));
    width = std::max(width, static_cast<size_t>(count_characters(golds.back())));
  }
  for (std::string& gold : golds) gold = folded(std::move(gold), width);
  std::vector<Verdict> verdicts;
  for (const Compiled& pipeline : pipelines_) {
    std::string text(answer);
    for (const Compiled::Step& step : pipeline.steps) {
      switch (step.filter.kind) {
        case AnswerFilter::Kind::kRegex:
          text = extracted(*step.regex, step.filter.group_select, step.filter.fallback, text);
          break;
        case AnswerFilter::Kind::kMultiChoiceRegex:
          text = chosen(step.filter, *step.regex, step.ignored, choices, text);
          break;
        case AnswerFilter::Kind::kRemoveWhitespace:
          text = strip(text);
          break;
        case AnswerFilter::Kind::kLowercase:
          text = lower(text);
          break;
        case AnswerFilter::Kind::kUppercase:
          text = upper(text);
          break;
      }
    }
    const std::string given = compared(text);
    const bool right = std::find(golds.begin(), golds.end(), given) != golds.end();
    verdicts.push_back({std::move(text), right});
  }
  return verdicts;
}

}  // namespace demix
