#include "demix/run/metrics.h"

#include <algorithm>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/search/fit_directions.h"

namespace demix {
namespace {

constexpr std::string_view kHeldOut = "held_out/";

ScoredMetric parse(const std::string& domain,
                   const std::string& text,
                   const std::vector<Task>& tasks,
                   const std::vector<std::string>& datasets,
                   const EvaluateConfig* with_command) {
  const size_t colon = text.find(':');
  ScoredMetric scored;
  scored.metric.name = text;
  scored.metric.domain = domain;
  scored.task = text.substr(0, colon);
  if (colon != std::string::npos) scored.measure = text.substr(colon + 1);
  const std::string where = fmt::format("evaluate.domains.{}: '{}'", domain, text);
  if (scored.task.starts_with(kHeldOut)) {
    const std::string dataset = scored.task.substr(kHeldOut.size());
    if (std::find(datasets.begin(), datasets.end(), dataset) == datasets.end()) {
      if (datasets.empty())
        throw Error("{}: no held-out text is scored, as evaluate.held_out_tokens is 0", where);
      throw Error(
          "{}: there is no dataset '{}'; {}", where, dataset, suggestion(dataset, datasets));
    }
    if (scored.measure.empty()) scored.measure = "bpb";
    if (scored.measure != "bpb") throw Error("{}: held-out text is measured by bpb only", where);
  } else {
    const auto task = std::find_if(tasks.begin(), tasks.end(), [&](const Task& candidate) {
      return candidate.name == scored.task;
    });
    if (task == tasks.end() && with_command) {
      if (scored.measure.empty())
        throw Error(
            "{}: the task is not in evaluate.tasks; of evaluate.command's, write TASK:METRIC",
            where);
      const auto& lower = with_command->lower_is_better;
      const bool named = std::find(lower.begin(), lower.end(), scored.measure) != lower.end();
      scored.metric.higher_is_better =
          !named && (!is_metric(scored.measure) || higher_is_better(scored.measure));
      if (scored.metric.higher_is_better && !direction_by_name(scored.measure).higher_is_better)
        warn(
            fmt::format("More of {} is taken to be better, though its name says the opposite: list "
                        "{} under evaluate.lower_is_better if less is.",
                        text,
                        scored.measure));
      scored.external = true;
      return scored;
    }
    if (task == tasks.end()) throw Error("{}: the task is not in evaluate.tasks", where);
    if (scored.measure.empty()) scored.measure = task->primary_metric;
    if (std::find(task->metrics.begin(), task->metrics.end(), scored.measure) ==
        task->metrics.end()) {
      throw Error("{}: the task has no metric '{}'; it has {}",
                  where,
                  scored.measure,
                  fmt::join(task->metrics, ", "));
    }
  }
  scored.metric.higher_is_better = higher_is_better(scored.measure);
  return scored;
}

// Whether a domain's scores are of the task's generated answers, which cost far more than the rest.
bool asks_for_answers(const EvaluateConfig& config, const std::string& task) {
  for (const auto& [domain, entries] : config.domains) {
    for (const std::string& entry : entries) {
      if (!entry.starts_with(task + ":")) continue;
      const std::string metric = entry.substr(task.size() + 1);
      if (is_metric(metric) && needs_generation(metric)) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<Task> load_tasks(const EvaluateConfig& config) {
  const std::filesystem::path folder =
      config.tasks_folder.empty() ? default_tasks_folder() : config.tasks_folder;
  for (const auto& [name, number] : config.fewshot) {
    if (std::find(config.tasks.begin(), config.tasks.end(), name) == config.tasks.end())
      throw Error("evaluate.fewshot: the task '{}' is not in evaluate.tasks", name);
    if (number < 0)
      throw Error("evaluate.fewshot.{}: expected a number of examples, found {}", name, number);
  }
  if (!config.tasks.empty() && !std::filesystem::is_directory(config.data))
    throw Error("evaluate.data: {}: {}; expected the folder of the tasks' data files",
                config.data.string(),
                std::filesystem::exists(config.data) ? "is a file" : "no such folder");
  std::vector<Task> tasks;
  for (const std::string& name : config.tasks) {
    TaskOptions options{.limit = config.limit, .generate = asks_for_answers(config, name)};
    const auto fewshot = config.fewshot.find(name);
    if (fewshot != config.fewshot.end()) options.fewshot = fewshot->second;
    try {
      tasks.push_back(load_task(name, folder, config.data, options));
    } catch (const Error& error) {
      throw Error("evaluate.tasks: {}", error_chain(error));
    }
  }
  return tasks;
}

std::vector<ScoredMetric> metrics_of(const EvaluateConfig& config,
                                     const std::vector<Task>& tasks,
                                     const std::vector<std::string>& datasets) {
  std::map<std::string, std::vector<std::string>> domains = config.domains;
  if (domains.empty()) {
    for (const Task& task : tasks) domains[task.domain].push_back(task.name);
  }
  if (domains.empty()) {
    throw Error(
        "evaluate: nothing to score; list tasks, or held_out/DATASET under evaluate.domains");
  }
  std::vector<ScoredMetric> metrics;
  for (const auto& [domain, entries] : domains) {
    if (entries.empty()) throw Error("evaluate.domains.{}: has no scores", domain);
    for (const std::string& entry : entries) {
      if (std::any_of(metrics.begin(), metrics.end(), [&](const ScoredMetric& scored) {
            return scored.metric.name == entry;
          }))
        throw Error("evaluate.domains.{}: '{}' is named twice", domain, entry);
      metrics.push_back(
          parse(domain, entry, tasks, datasets, config.command.empty() ? nullptr : &config));
    }
  }
  for (const std::string& name : config.lower_is_better)
    if (std::none_of(metrics.begin(), metrics.end(), [&](const ScoredMetric& scored) {
          return scored.external && scored.measure == name;
        }))
      throw Error("evaluate.lower_is_better: no score of the command under domains has metric '{}'",
                  name);
  if (!config.command.empty() &&
      std::none_of(
          metrics.begin(), metrics.end(), [](const auto& scored) { return scored.external; }))
    throw Error("evaluate.command: none of its scores is under evaluate.domains");
  return metrics;
}

const ScoredMetric* beyond_ensembles(const std::vector<ScoredMetric>& metrics,
                                     const std::vector<Task>& tasks) {
  for (const ScoredMetric& scored : metrics) {
    if (scored.external) return &scored;
    const auto task = std::find_if(
        tasks.begin(), tasks.end(), [&](const Task& one) { return one.name == scored.task; });
    if (task != tasks.end() && !is_of_mixtures(*task, scored.measure)) return &scored;
  }
  return nullptr;
}

bool reads_held_out(const EvaluateConfig& config, const std::vector<ScoredMetric>& metrics) {
  return config.command.empty() ||
         std::any_of(metrics.begin(), metrics.end(), [](const ScoredMetric& scored) {
           return scored.task.starts_with("held_out/");
         });
}

ProxyKind resolve_proxies(const std::string& proxies,
                          const std::vector<ScoredMetric>& metrics,
                          const std::vector<Task>& tasks) {
  if (proxies == "merged") return ProxyKind::kMerged;
  const ScoredMetric* beyond = beyond_ensembles(metrics, tasks);
  if (beyond == nullptr) return ProxyKind::kEnsemble;
  if (proxies == "auto") return ProxyKind::kMerged;
  throw Error(
      "evaluate.domains.{}: an ensemble of the components has no {} of {}, which needs a model "
      "of its own; use another metric, or proxies: merged",
      beyond->metric.domain,
      beyond->measure,
      beyond->task);
}

Objective objective_of(const std::vector<ScoredMetric>& metrics) {
  std::vector<Metric> plain;
  for (const ScoredMetric& scored : metrics) plain.push_back(scored.metric);
  return Objective(std::move(plain));
}

Measurements measurements_of(const Scores& scores,
                             const std::vector<ScoredMetric>& metrics,
                             const std::string& model) {
  Measurements measurements;
  for (const ScoredMetric& scored : metrics) {
    const auto task = scores.tasks.find(scored.task);
    if (task == scores.tasks.end()) throw Error("{}: no scores of task '{}'", model, scored.task);
    const auto value = task->second.find(scored.measure);
    if (value == task->second.end()) {
      throw Error("{}: task '{}' has no metric '{}'", model, scored.task, scored.measure);
    }
    measurements[scored.metric.name] = {value->second.value, value->second.stderr_};
  }
  return measurements;
}

}  // namespace demix
