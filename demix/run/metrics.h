// Which scores of the evaluation count, and for which domain.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "demix/evaluate/scorer.h"
#include "demix/run/proxy.h"
#include "demix/run/run_config.h"
#include "demix/search/objective.h"

namespace demix {

// A metric of the objective and where the evaluation keeps it.
struct ScoredMetric {
  Metric metric;  // its name is the task's, or "task:metric" where it is not the task's primary one
  std::string task;       // "arc_easy", "held_out/code_high"
  std::string measure;    // "bpb", "choice_prob", …
  bool external = false;  // given by evaluate.command
};

// All tasks that the configuration names, with their data.
std::vector<Task> load_tasks(const EvaluateConfig& config);

// Grouped by domain, domains in the order of their names: those of evaluate.domains ("gsm8k",
// "arc_easy:choice_prob", "held_out/code_high", and of the command's scores "my_quiz:acc"); when it
// is empty every task stands under its own domain with its primary metric. Throws Error on tasks,
// datasets and metrics that are not there.
std::vector<ScoredMetric> metrics_of(const EvaluateConfig& config,
                                     const std::vector<Task>& tasks,
                                     const std::vector<std::string>& datasets);

// Whether held-out text is scored: where a command takes the place of our scores, only if it
// counts.
bool reads_held_out(const EvaluateConfig& config, const std::vector<ScoredMetric>& metrics);

// The first metric that an ensemble of models has no score of: of generated answers, of the
// likeliest token of answers without choices, and of the configured command. Null where there is
// none.
const ScoredMetric* beyond_ensembles(const std::vector<ScoredMetric>& metrics,
                                     const std::vector<Task>& tasks);
// What `proxies` of the configuration comes to. Throws Error where ensembles are asked for and a
// metric is beyond them.
ProxyKind resolve_proxies(const std::string& proxies,
                          const std::vector<ScoredMetric>& metrics,
                          const std::vector<Task>& tasks);

Objective objective_of(const std::vector<ScoredMetric>& metrics);

// One measurement per metric. Throws Error, naming the model, when one is missing.
Measurements measurements_of(const Scores& scores,
                             const std::vector<ScoredMetric>& metrics,
                             const std::string& model);

}  // namespace demix
