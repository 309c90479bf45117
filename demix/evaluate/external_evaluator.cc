#include "demix/evaluate/external_evaluator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "demix/core/error.h"
#include "demix/core/json_file.h"
#include "demix/core/score_limit.h"
#include "demix/core/shell.h"

namespace demix {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 28;

std::vector<std::pair<std::string, std::string>> placeholders(const ExternalEvaluation& evaluation,
                                                              const std::string& name,
                                                              const std::string& model,
                                                              const std::string& output) {
  return {{"model", model},
          {"output", output},
          {"name", name},
          {"device", evaluation.device},
          {"seed", fmt::format("{}", evaluation.seed)}};
}

double checked(double number, const char* key, const std::string& where) {
  if (std::abs(number) <= kLargestScore) return number;
  throw Error("{}: {}: {} is no score, expected at most {} in magnitude; leave out what diverged",
              where,
              key,
              number,
              kLargestScore);
}

// A number of a score; NaN where it is missing or null.
double number_of(const Json& score, const char* key, const std::string& where) {
  const auto found = score.find(key);
  if (found == score.end() || found->is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!found->is_number())
    throw Error("{}: {}: expected a number, found {}", where, key, printable(found->dump()));
  return checked(found->get<double>(), key, where);
}

std::string text_of(const Json& score, const char* key, const std::string& where) {
  const auto found = score.find(key);
  if (found == score.end() || !found->is_string())
    throw Error("{}: expected a text as '{}', found {}",
                where,
                key,
                found == score.end() ? "none" : printable(found->dump()));
  return found->get<std::string>();
}

MetricValue value_of(const Json& score, const std::string& where) {
  MetricValue value;
  value.value = number_of(score, "value", where);
  if (!std::isfinite(value.value))
    throw Error("{}: expected a finite number as 'value', found {}",
                where,
                score.contains("value") ? score["value"].dump() : "none");
  value.stderr_ = number_of(score, "stderr", where);
  if (value.stderr_ < 0)
    throw Error("{}: stderr: expected 0 or more, found {}", where, value.stderr_);
  const double n = number_of(score, "n", where);
  value.n = n > 0 && n < 1e15 ? static_cast<int64_t>(n) : 0;
  return value;
}

ItemTerms terms_of(const Json& items, const MetricValue& value, const std::string& where) {
  ItemTerms terms;
  for (const Json& item : items) {
    if (!item.is_number())
      throw Error("{}: items: expected numbers, found {}", where, printable(item.dump()));
    terms.x.push_back(checked(item.get<double>(), "items", where));
  }
  if (terms.x.empty()) throw Error("{}: items: expected a list of numbers", where);
  terms.y.assign(terms.x.size(), 1);
  const double mean = metric_value(terms).value;
  if (!(std::abs(mean - value.value) <= 1e-6 * std::max(1.0, std::abs(value.value))))
    throw Error("{}: the mean of 'items' is {}, but 'value' is {}", where, mean, value.value);
  return terms;
}

// Throws Error where a wanted score has other items than that of the first model.
void compare_items(const ExternalEvaluation& evaluation,
                   const std::string& name,
                   const TermsByMetric& terms) {
  FirstItems& first = *evaluation.first_items;
  const std::lock_guard lock(first.mutex);
  for (const auto& [task, metric] : evaluation.wanted) {
    const auto of_task = terms.find(task);
    if (of_task == terms.end() || !of_task->second.contains(metric)) continue;
    const size_t items = of_task->second.at(metric).x.size();
    const auto& [model, count] = first.of.try_emplace({task, metric}, name, items).first->second;
    if (items == count) continue;
    throw Error(
        "{}:{} has {} items of {}, but {} of {}: expected the same items of every model in the "
        "same order, since gains are compared item by item; leave 'items' out where they differ",
        task,
        metric,
        items,
        name,
        count,
        model);
  }
}

}  // namespace

void check_evaluation_command(const std::string& command) {
  expand_command(command, placeholders({}, "", "", ""));
  for (const char* needed : {"{model}", "{output}"})
    if (command.find(needed) == std::string::npos)
      throw Error("command: expected {} in: {}", needed, command);
}

ExternalScores read_external_scores(const std::filesystem::path& file,
                                    const ExternalEvaluation& evaluation) {
  constexpr std::array<std::string_view, 6> kKeys{
      "task", "metric", "value", "stderr", "n", "items"};
  const std::string path = file.filename().string();
  const Json list = [&] {
    try {
      return read_json_file<Json>(file, kMostBytes);
    } catch (const Error&) {
      std::throw_with_nested(
          Error("expected a JSON file of scores (NaN and Infinity are not JSON: what was not "
                "measured is left out)"));
    }
  }();
  if (!list.is_array()) throw Error("{}: expected a list of scores", path);
  ExternalScores result;
  for (size_t i = 0; i < list.size(); ++i) {
    const Json& score = list[i];
    std::string where = fmt::format("{}: score {}", path, i + 1);
    if (!score.is_object()) throw Error("{}: expected a map", where);
    for (const auto& [key, ignored] : score.items()) {
      if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
        throw Error(
            "{}: unknown key '{}'; known are {}", where, printable(key), fmt::join(kKeys, ", "));
    }
    const std::string task = text_of(score, "task", where),
                      metric = text_of(score, "metric", where);
    where += fmt::format(" ({}:{})", printable(task), printable(metric));
    MetricValue value = value_of(score, where);
    if (const auto items = score.find("items"); items != score.end() && !items->is_null()) {
      ItemTerms terms = terms_of(*items, value, where);
      value = metric_value(terms);
      result.terms[task][metric] = std::move(terms);
    }
    if (!result.scores.tasks[task].emplace(metric, value).second)
      throw Error("{}: is there twice", where);
  }
  for (const auto& [task, metric] : evaluation.wanted) {
    const auto found = result.scores.tasks.find(task);
    if (found != result.scores.tasks.end() && found->second.contains(metric)) continue;
    std::vector<std::string> there;
    for (const auto& [name, metrics] : result.scores.tasks)
      for (const auto& [measure, value] : metrics) there.push_back(name + ":" + measure);
    throw Error("{}: no score {}:{}, which evaluate.domains names; there {}",
                path,
                task,
                metric,
                there.empty() ? "is none" : fmt::format("are {}", fmt::join(there, ", ")));
  }
  return result;
}

ExternalScores score_externally(const ExternalEvaluation& evaluation,
                                const std::string& name,
                                const std::filesystem::path& model,
                                const std::filesystem::path& output,
                                const std::filesystem::path& log) {
  const std::string command = expand_command(
      evaluation.command, placeholders(evaluation, name, model.string(), output.string()));
  const auto status = run_shell(command, log, {.seconds = evaluation.seconds});
  if (!status)
    throw Error(
        "{}: the evaluation command was stopped after {} s (evaluate.command_seconds): {}{}",
        name,
        evaluation.seconds,
        command,
        log_end(log));
  if (const std::string failure = failure_of(*status); !failure.empty())
    throw Error("{}: the evaluation command {}: {}{}", name, failure, command, log_end(log));
  if (!std::filesystem::exists(output))
    throw Error("{}: the evaluation command succeeded, but did not write {{output}}: {}{}",
                name,
                command,
                log_end(log));
  try {
    ExternalScores scores = read_external_scores(output, evaluation);
    compare_items(evaluation, name, scores.terms);
    return scores;
  } catch (const Error&) {
    std::throw_with_nested(
        Error("{}: the scores of the evaluation command cannot be used: {}", name, command));
  }
}

}  // namespace demix
