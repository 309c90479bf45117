#include "demix/evaluate/judge.h"

#include <array>

#include "demix/core/error.h"
#include "demix/evaluate/answer_filters.h"
#include "demix/evaluate/math_answer.h"
#include "demix/evaluate/math_equal.h"
#include "demix/evaluate/sandbox.h"
#include "demix/evaluate/task_file.h"

namespace demix {
namespace {

double number(bool right) { return right ? 1 : 0; }

using Answers = std::span<const GeneratedAnswer>;

AnswerPipeline pipeline_of(std::string metric, std::string pattern, int64_t group_select) {
  AnswerFilter filter;
  filter.pattern = std::move(pattern);
  filter.group_select = group_select;
  return {std::move(metric), {std::move(filter)}};
}

std::vector<Judgement> compared(const AnswerRules& rules, const Task& task, Answers answers) {
  const AnswerComparison comparison(rules);
  std::vector<Judgement> judgements;
  for (const auto& [item, text] : answers) {
    const auto& references = task.items[item].references;
    const auto verdicts = comparison.compare(text, references, task.items[item].named_choices);
    Judgement& judgement = judgements.emplace_back();
    judgement.gold = comparison.compared(references[0]);
    judgement.extracted = verdicts.back().extracted;
    judgement.right = verdicts.front().right;
    for (size_t i = 0; i < verdicts.size(); ++i)
      judgement.metrics[rules.pipelines[i].metric] = number(verdicts[i].right);
  }
  return judgements;
}

std::vector<Judgement> judge_gsm8k(const Task& task, Answers answers) {
  return compared(gsm8k_rules(), task, answers);
}

std::vector<Judgement> judge_by_filters(const Task& task, Answers answers) {
  return compared(*task.generation->rules, task, answers);
}

std::vector<Judgement> judge_math(const Task& task, Answers answers) {
  std::vector<Judgement> judgements;
  for (const auto& [item, text] : answers) {
    const auto gold = boxed_math_answer(task.items[item].references[0]);
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
    programs.push_back(task.items[item].program + text + task.items[item].references[0]);
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

const std::array<Judge, 4>& judges() {
  static const std::array<Judge, 4> all{
      {{kFilterJudge, {}, judge_by_filters},
       {"gsm8k", {"exact_match", "exact_match_flexible"}, judge_gsm8k},
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
  for (const Judge& judge : judges())
    if (judge.name != kFilterJudge) names.emplace_back(judge.name);
  return names;
}

std::vector<std::string> judged_metrics(const GenerationConfig& generation) {
  if (generation.judge != kFilterJudge) return find_judge(generation.judge).metrics;
  std::vector<std::string> metrics;
  for (const AnswerPipeline& pipeline : generation.rules.pipelines)
    metrics.push_back(pipeline.metric);
  return metrics;
}

AnswerRules gsm8k_rules() {
  AnswerRules rules;
  rules.pipelines = {pipeline_of("exact_match", R"(#### (\-?[0-9\.\,]+))", 0),
                     pipeline_of("exact_match_flexible", R"((-?[$0-9.,]{2,})|(-?[0-9]+))", -1)};
  rules.exact_match.regexes_to_ignore = {",", R"(\$)", "(?s).*#### ", R"(\.$)"};
  rules.exact_match.ignore_case = true;
  return rules;
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
