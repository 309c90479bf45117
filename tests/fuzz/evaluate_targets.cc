#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/evaluate/answer_filters.h"
#include "demix/evaluate/jinja.h"
#include "demix/evaluate/judge.h"
#include "demix/evaluate/math_answer.h"
#include "demix/evaluate/math_equal.h"
#include "demix/evaluate/python_regex.h"
#include "demix/evaluate/task_file.h"
#include "demix/evaluate/text.h"
#include "tests/fuzz/targets.h"

namespace demix {
namespace {

// A file in memory, with other content in each call.
std::filesystem::path file_of(std::string_view content) {
  static const int descriptor = ::memfd_create("task.yaml", 0);
  DEMIX_CHECK(::ftruncate(descriptor, 0) == 0);
  DEMIX_CHECK(::pwrite(descriptor, content.data(), content.size(), 0) ==
              static_cast<ssize_t>(content.size()));
  return fmt::format("/proc/self/fd/{}", descriptor);
}

struct TwoTexts {
  std::string_view first_line, rest;
};
TwoTexts two_texts(std::string_view text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return {text, {}};
  return {text.substr(0, end), text.substr(end + 1)};
}

}  // namespace

void fuzz_task_file(std::span<const unsigned char> bytes) {
  const auto path = file_of(text_of(bytes));
  try {
    const TaskFile file(path);
    const TaskConfig& config = file.config();
    DEMIX_CHECK(!config.metrics.empty() && !config.primary_metric.empty());
    DEMIX_CHECK(file.harness() || !config.context.empty());
    (void)file.examples();
  } catch (const Error& error) {
    check_fuzz_message(error, "/proc/self/fd/");  // includes lie there as well
  }
}

void fuzz_jinja(std::span<const unsigned char> bytes) {
  static const Json row = Json::parse(R"({
    "question": "What is 2 + 2?\nThink.", "answer": 1, "choices": {"text": ["three", "four"],
    "label": ["A", "B"]}, "options": ["a b", "", "ü'\"\\"], "context": "", "score": -0.5,
    "none": null, "right": true, "number": "12", "large": 9223372036854775807, "items": [[1, 2]]})");
  try {
    const auto filled = JinjaTemplate::parse(text_of(bytes), "file: doc_to_text");
    try {
      const Json value = filled.value(row, "file: row 1");
      DEMIX_CHECK(filled.is_expression() || value.is_string());
    } catch (const Error& error) {
      check_fuzz_message(error, "file: row 1: ");
    }
  } catch (const Error& error) {
    check_fuzz_message(error, "file: doc_to_text: ");
  }
}

void fuzz_regex(std::span<const unsigned char> bytes) {
  const auto [pattern, rest] = two_texts(text_of(bytes));
  try {
    const PythonRegex regex(pattern);
    const std::string text = utf8(code_points(rest));
    const auto matches = regex.find_all(text);
    DEMIX_CHECK(matches.size() <= 2 * text.size() + 2);
    for (const auto& groups : matches) {
      DEMIX_CHECK(groups.size() == static_cast<size_t>(std::max(regex.groups(), 1)));
      for (const std::string& group : groups) DEMIX_CHECK(text.find(group) != std::string::npos);
    }
    const std::string replaced = regex.replace(text, "");
    DEMIX_CHECK(replaced.size() <= text.size());
    if (matches.empty()) DEMIX_CHECK(replaced == text);
  } catch (const Error& error) {
    check_fuzz_message(error, "the expression '");
  }
}

void fuzz_answer(std::span<const unsigned char> bytes) {
  const auto [gold, answer] = two_texts(text_of(bytes));
  // GSM8K, by the rules of a harness's file.
  static const AnswerComparison gsm8k(gsm8k_rules());
  const std::array references{std::string(gold)};
  const auto verdicts = gsm8k.compare(answer, references);
  DEMIX_CHECK(verdicts.size() == gsm8k_rules().pipelines.size());
  for (const auto& verdict : gsm8k.compare("#### 12", std::array<std::string, 1>{"12"}))
    DEMIX_CHECK(verdict.right);
  // MATH.
  (void)generated_math_answer(answer);
  const std::string boxed = boxed_math_answer(answer).value_or(std::string(answer));
  const std::string a = normalized_math_answer(boxed), b = normalized_math_answer(gold);
  DEMIX_CHECK(a.empty() || (math_exact_match(a, a) && math_equivalent(a, a)));
  DEMIX_CHECK(math_exact_match(a, b) == math_exact_match(b, a) || a.empty() || b.empty());
  (void)math_equivalent(a, b);
}

}  // namespace demix
