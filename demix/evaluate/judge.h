// Judges of generated answers, by name:
//   gsm8k    the number behind "####", or the last number, by lm-evaluation-harness' filters
//   math     the final answer of a solution, as text or by value (math_answer.h, math_equal.h);
//            the reference is the gold solution with its \\boxed answer
//   filters  what the filters of a task file of lm-evaluation-harness leave is compared with the
//   gold
//            answers (answer_filters.h); right is what the first of them finds
//   program  program + generated + reference runs to its end in a sandbox (sandbox.h)
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demix/evaluate/metrics.h"
#include "demix/evaluate/task.h"

namespace demix {

struct AnswerRules;
struct GenerationConfig;

// Those that a task file of ours may name.
std::vector<std::string> judge_names();
// The metrics that a judge gives, beside pass@k. Throws Error on an unknown name.
std::vector<std::string> judged_metrics(const GenerationConfig& generation);
// How lm-evaluation-harness 0.4.13 takes answers to GSM8K (tasks/gsm8k/gsm8k.yaml).
AnswerRules gsm8k_rules();
// Throws Error, starting with `where`, when the judge cannot work on this machine.
void check_judge(std::string_view judge, const std::string& where);

// What was generated for an item, by its place in the task.
struct GeneratedAnswer {
  size_t item;
  std::string text;
};
// One judgement for each answer, in order. Programs run side by side, one on each core.
std::vector<Judgement> judge_answers(const Task& task, std::span<const GeneratedAnswer> answers);

}  // namespace demix
