// Metrics of a task from its items' log-likelihoods, each with its standard error.
//
// ll_c is the log-likelihood of choice c (natural log, summed over its tokens); lengths are those
// of the answer without the leading delimiter.
//
//   acc               ll is largest for the gold choice; of equal ones the first counts. Without
//                     choices: each token of the answer is the likeliest
//   acc_norm          the same of ll per character
//   acc_bytes         … per UTF-8 byte
//   acc_tokens        … per token
//   choice_prob       exp(ll_gold) / Σ exp(ll_c)
//   choice_prob_norm  the same of ll per UTF-8 byte
//   bpb               bits per byte of the gold answers: −Σ ll_gold / (ln 2 · Σ bytes), over items
//   perplexity        exp(− mean ll_gold), of whole answers: LAMBADA's
//
// Of texts that are scored whole (Task::rolls), as lm-evaluation-harness names them:
//
//   word_perplexity   exp(− Σ ll / Σ words), words being what re.split(r"\s+") gives
//   byte_perplexity   exp(− Σ ll / Σ bytes)
//   bits_per_byte     bpb
//
// Of generated answers (judge.h), means over the items of the share of an item's answers:
//
//   exact_match           the answer in the form that the prompt's examples show is the gold one
//   exact_match,FILTER    … what this filter of a file of lm-evaluation-harness finds
//   exact_match_flexible  … any last number (gsm8k), or an answer of the same value (math)
//   pass@1, pass@10, …    of k answers drawn from an item's one is right (pass_at_k.h): a program
//                         that passes its tests, or an exact match
//
// acc… need hundreds of items and a model that is above chance; choice_prob and choice_prob_norm
// move smoothly from chance on; bpb orders models of every size.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demix/core/json.h"
#include "demix/evaluate/task.h"

namespace demix {

struct MetricValue {
  double value = 0;
  // Standard error over items (or documents); NaN when there is only one.
  double stderr_ = 0;
  int64_t n = 0;
};

// Scores of one model: task -> metric -> value. Held-out text of dataset D is task "held_out/D"
// with metric "bpb".
struct Scores {
  std::map<std::string, std::map<std::string, MetricValue>> tasks;
};
// {"arc_easy": {"n": 2376, "acc": 0.4, "acc_stderr": 0.01, …}}; an unknown standard error is null.
void to_json(Json& json, const Scores& scores);
void from_json(const Json& json, Scores& scores);

// Of one generated answer.
struct Judgement {
  std::string gold, extracted;            // what was compared; of programs the outcome
  std::map<std::string, double> metrics;  // 0 or 1
  bool right = false;                     // what pass@k counts
};
struct JudgedAnswer {
  std::string text;
  Judgement judgement;
};

struct ItemScore {
  std::string task, id;
  int gold = 0;
  std::vector<double> loglikelihoods;  // natural logs, summed over the continuation's tokens
  std::vector<int64_t> tokens;         // of each continuation
  bool greedy = false;                 // every token of the gold one was the likeliest
  std::vector<JudgedAnswer> answers;   // where they are generated
};

// Whether more of `metric` is better ("acc": yes, "bpb": no). Throws Error on an unknown metric.
bool higher_is_better(const std::string& metric);
// Whether `metric` compares choices. Throws Error on an unknown metric.
bool needs_choices(const std::string& metric);
// Whether `metric` is of generated answers. Throws Error on an unknown metric.
bool needs_generation(const std::string& metric);
// The k of "pass@k"; nothing of other names.
std::optional<int64_t> pass_k(std::string_view metric);
// Of texts that are scored whole.
bool needs_texts(const std::string& metric);
bool is_metric(const std::string& name);
// Whether a mixture of models' token probabilities has this metric of the task: it does not
// generate, and has no likeliest token where there are no choices.
bool is_of_mixtures(const Task& task, const std::string& metric);
// Those that a task file of ours may name; of pass@k only pass@1.
std::vector<std::string> known_metrics();

// The task's metrics over all of its items, in the order of task.items. Of a group: over all items
// of its members, or the mean of the members' values where those count equally; its standard error
// is that of items drawn within each member, as the harness has it. Throws Error naming task and
// item when a log-likelihood is not finite.
std::map<std::string, MetricValue> task_metrics(const Task& task,
                                                std::span<const ItemScore> scores);
// The same for some of its metrics.
std::map<std::string, MetricValue> task_metrics(const Task& task,
                                                std::span<const std::string> names,
                                                std::span<const ItemScore> scores);

// The metrics of each member of a group, by the member's name; nothing of other tasks.
std::map<std::string, std::map<std::string, MetricValue>> member_metrics(
    const Task& task, std::span<const ItemScore> scores);

// What each item (or document) adds to a metric, whose value is R = Σ x / Σ y; a mean has y = 1. Of
// what is no such ratio (perplexity, a mean over members), the terms of its linearisation: they
// have its value and its standard error.
struct ItemTerms {
  std::vector<double> x, y;
};
void to_json(Json& json, const ItemTerms& terms);
void from_json(const Json& json, ItemTerms& terms);
// By task, then metric.
using TermsByMetric = std::map<std::string, std::map<std::string, ItemTerms>>;
ItemTerms item_terms(const Task& task,
                     const std::string& metric,
                     std::span<const ItemScore> scores);

// R with the delta method's standard error: √(Σ (xᵢ − R yᵢ)² / (n (n − 1))) / ȳ; for a mean the
// sample standard deviation / √n.
MetricValue metric_value(const ItemTerms& terms);
// The value of b minus that of a, both measured on the same items: what makes an item hard for both
// cancels, so the standard error is smaller than that of independent scores. Throws Error when they
// are of different items.
MetricValue paired_difference(const ItemTerms& a, const ItemTerms& b);

// Expected acc of guessing: the mean over items of 1 / choices. 0 for a task without choices.
double chance_level(const Task& task);
// Whether an accuracy is no evidence of skill: within two standard errors, those of guessing, of
// the chance level or below. False for a task without choices.
bool at_chance(const Task& task, const MetricValue& accuracy);

}  // namespace demix
