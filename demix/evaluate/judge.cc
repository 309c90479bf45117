#include "demix/evaluate/judge.h"

#include <array>

#include "demix/core/error.h"
#include "demix/evaluate/gsm8k_answer.h"
#include "demix/evaluate/math_answer.h"
#include "demix/evaluate/math_equal.h"
#include "demix/evaluate/sandbox.h"

namespace demix {
namespace {

double number(bool right) { return right ? 1 : 0; }

using Answers = std::span<const GeneratedAnswer>;

std::vector<Judgement> judge_gsm8k(const Task& task, Answers answers) {
  std::vector<Judgement> judgements;
  for (const auto& [item, text] : answers) {
    const std::string& gold = task.items[item].reference;
    const std::string strict = gsm8k_strict_answer(text), flexible = gsm8k_flexible_answer(text);
    const bool right = gsm8k_answers_equal(strict, gold);
    judgements.push_back({normalized_gsm8k_answer(gold),
                          flexible,
                          {{"exact_match", number(right)},
                           {"exact_match_flexible", number(gsm8k_answers_equal(flexible, gold))}},
                          right});
  }
  return judgements;
}

std::vector<Judgement> judge_math(const Task& task, Answers answers) {
  std::vector<Judgement> judgements;
  for (const auto& [item, text] : answers) {
    const auto gold = boxed_math_answer(task.items[item].reference);
    if (!gold)
      throw Error("task {}, item {}: the gold solution has no \\boxed answer",
                  task.name,
                  task.items[item].id);
    const std::string normalized_gold = normalized_math_answer(*gold);
    const std::string strict = generated_math_answer(text);
    // A solution without the final sentence may still have its answer in a box.
    const std::string flexible =
        strict == kNoMathAnswer ? boxed_math_answer(text).value_or(strict) : strict;
    const bool right = math_exact_match(normalized_math_answer(strict), normalized_gold);
    const bool equivalent = math_equivalent(normalized_math_answer(flexible), normalized_gold);
    judgements.push_back(
        {normalized_gold,
         flexible,
         {{"exact_match", number(right)}, {"exact_match_flexible", number(equivalent)}},
         right});
  }
  return judgements;
}

std::vector<Judgement> judge_programs(const Task& task, Answers answers) {
  std::vector<std::string> programs;
  for (const auto& [item, text] : answers)
    programs.push_back(task.items[item].program + text + task.items[item].reference);
  std::vector<Judgement> judgements;
  for (const ProgramResult& result : run_programs(programs)) {
    const bool right = result.outcome == Outcome::kPassed;
    judgements.push_back(
        {"passed", std::string(outcome_name(result.outcome)), {{"pass@1", number(right)}}, right});
  }
  return judgements;
}

struct Judge {
  std::string_view name;
  std::vector<std::string> metrics;
  std::vector<Judgement> (*judge)(const Task& task, Answers answers);
};

const std::array<Judge, 3>& judges() {
  static const std::array<Judge, 3> all{
      {{"gsm8k", {"exact_match", "exact_match_flexible"}, judge_gsm8k},
       {"math", {"exact_match", "exact_match_flexible"}, judge_math},
       {"program", {"pass@1"}, judge_programs}}};
  return all;
}

const Judge& find_judge(std::string_view name) {
  for (const Judge& judge : judges())
    if (judge.name == name) return judge;
  throw Error("unknown judge '{}'; known are {}", name, fmt::join(judge_names(), ", "));
}

}  // namespace

std::vector<std::string> judge_names() {
  std::vector<std::string> names;
  for (const Judge& judge : judges()) names.emplace_back(judge.name);
  return names;
}

std::vector<std::string> judged_metrics(std::string_view judge) {
  return find_judge(judge).metrics;
}

void check_judge(std::string_view judge, const std::string& where) {
  if (judge != "program") return;
  if (const std::string problem = sandbox_problem(); !problem.empty())
    throw Error(
        "{}: generated programs cannot be run here: {}; leave pass@1 out (demix evaluate "
        "--no-generation)",
        where,
        problem);
}

std::vector<Judgement> judge_answers(const Task& task, std::span<const GeneratedAnswer> answers) {
  DEMIX_CHECK(task.generation);
  return find_judge(task.generation->judge).judge(task, answers);
}

}  // namespace demix
