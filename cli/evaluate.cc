#include <ATen/core/Tensor.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "cli/commands.h"
#include "cli/evaluation_journal.h"
#include "cli/program.h"
#include "cli/torch_commands.h"
#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/end_tokens.h"
#include "demix/evaluate/item_list.h"
#include "demix/evaluate/samples.h"
#include "demix/evaluate/scorer.h"
#include "demix/evaluate/task_file.h"
#include "demix/model/decoder.h"
#include "demix/model/weights.h"
#include "demix/run/device.h"

namespace demix::cli {
namespace {

struct Options {
  std::filesystem::path model, data = "data/demo/bench", tasks_folder, samples, items, journal;
  std::vector<std::string> tasks;
  TaskOptions task;
  std::string dtype = "float32", device = "auto";
  ScorerConfig scorer;
  bool json = false, no_generation = false, no_journal = false;
};

CLI::Validator at_least(int64_t least) {
  const auto check = [least](const std::string& text) -> std::string {
    int64_t value = 0;
    const bool whole = CLI::detail::lexical_cast(text, value);
    return whole && value >= least
               ? std::string()
               : fmt::format("expected a whole number of at least {}, found {}", least, text);
  };
  return {check, fmt::format("at least {}", least)};
}

// Members of groups below their group, by their primary metric.
void print_table(const std::vector<Task>& tasks, const Scores& scores) {
  size_t width = 16, metric_width = 18;
  for (const Task& task : tasks) {
    width = std::max(width, task.name.size());
    for (const Task::Member& member : task.members) width = std::max(width, member.name.size() + 2);
    for (const std::string& metric : task.metrics)
      metric_width = std::max(metric_width, metric.size());
  }
  const auto print = [&](const std::string& task,
                         const std::string& name,
                         const MetricValue& metric,
                         const std::string& note) {
    fmt::print("{:<{}} {:<{}} {:>10.4f} {:>10} {:>7}{}\n",
               task,
               width,
               name,
               metric_width,
               metric.value,
               std::isfinite(metric.stderr_) ? fmt::format("{:.4f}", metric.stderr_) : "–",
               metric.n,
               note);
  };
  fmt::print("{:<{}} {:<{}} {:>10} {:>10} {:>7}\n",
             "task",
             width,
             "metric",
             metric_width,
             "value",
             "± stderr",
             "n");
  for (const Task& task : tasks) {
    const auto& metrics = scores.tasks.at(task.name);
    for (const std::string& name : task.metrics) {
      const MetricValue& metric = metrics.at(name);
      const bool guessed = name == "acc" && at_chance(task, metric);
      print(task.name,
            name,
            metric,
            guessed ? fmt::format("  at chance ({:.3f})", chance_level(task)) : "");
    }
    for (const Task::Member& member : task.members)
      print("  " + member.name,
            task.primary_metric,
            scores.tasks.at(member.name).at(task.primary_metric),
            "");
  }
}

// Adds the scores of the groups' members, which follow from the items'.
void add_members(const std::vector<Task>& tasks,
                 std::span<const ItemScore> samples,
                 Scores& scores) {
  for (const Task& task : tasks) {
    for (auto& [member, metrics] : member_metrics(task, samples.first(task.items.size())))
      scores.tasks[member] = std::move(metrics);
    samples = samples.subspan(task.items.size());
  }
}

// As lm-evaluation-harness does it, a file of its that says num_fewshot: 0 keeps to that.
bool keeps_no_examples(const std::filesystem::path& tasks_folder, const std::string& task) {
  const std::filesystem::path path = tasks_folder / (task + ".yaml");
  if (!std::filesystem::exists(path)) return false;  // a member of a group, or none
  const TaskFile file(path);
  if (!file.harness() || !file.harness()->keeps_no_examples) return false;
  warn(fmt::format("{} is 0, which --fewshot does not change; without that line it would.",
                   file.where("fewshot.number")));
  return true;
}

void evaluate(const Options& options) {
  const std::filesystem::path tasks_folder =
      options.tasks_folder.empty() ? default_tasks_folder() : options.tasks_folder;
  std::map<std::string, std::map<std::string, std::string>> items;
  if (!options.items.empty()) items = read_item_list(options.items, options.tasks);
  std::vector<Task> tasks;
  TaskOptions task_options = options.task;
  task_options.generate = !options.no_generation;
  for (const std::string& name : options.tasks) {
    task_options.items = items[name];
    task_options.fewshot = options.task.fewshot;
    if (options.task.fewshot.value_or(0) > 0 && keeps_no_examples(tasks_folder, name))
      task_options.fewshot.reset();
    tasks.push_back(load_task(name, tasks_folder, options.data, task_options));
  }
  const bool generates = std::any_of(
      tasks.begin(), tasks.end(), [](const Task& task) { return task.generation.has_value(); });
  const std::pair<const char*, bool> of_answers[] = {
      {"--answers", options.task.answers.has_value()},
      {"--temperature", options.task.temperature.has_value()},
      {"--top-k", options.task.top_k.has_value()},
      {"--top-p", options.task.top_p.has_value()}};
  for (const auto& [option, given] : of_answers)
    if (given && !generates)
      throw Error("{}: no answers are generated for {}", option, fmt::join(options.tasks, ", "));
  // What cannot be written is said before hours of work, not after.
  if (!options.samples.empty() && !std::filesystem::is_other(options.samples))
    const AtomicFile writable(options.samples);
  const at::Device device = resolve_device(options.device);
  const at::ScalarType dtype = resolve_dtype(options.dtype, "--dtype");
  const Architecture architecture = load_architecture(options.model);
  const Tokenizer tokenizer = Tokenizer::load(options.model);
  const Weights weights = load_weights(options.model, architecture, dtype, device);
  const Decoder decoder(architecture, device);
  ScorerConfig config = options.scorer;
  config.end_tokens = end_tokens(options.model);
  const Scorer scorer(tasks, {}, tokenizer, decoder, config);
  std::string known_hash;
  const auto hash = [&] {
    if (known_hash.empty()) known_hash = weights_hash(architecture, weights);
    return known_hash;
  };
  const auto model = [&] {
    return Hasher().field(hash()).field(device.is_cpu() ? "cpu" : device.str()).hex();
  };
  std::optional<EvaluationJournal> journal;
  if (!options.no_journal) journal.emplace(options.journal, model, scorer.hash());

  std::vector<ItemScore> samples;
  Scores scores;
  try {
    scores = scorer.score(
        weights, /*live=*/true, &samples, nullptr, journal ? &journal->items() : nullptr);
  } catch (const std::exception&) {
    std::throw_with_nested(Error("{} cannot be scored", options.model.string()));
  }
  if (journal) journal->items().flush();
  add_members(tasks, samples, scores);
  if (!options.samples.empty()) write_samples(options.samples, tasks, samples);
  if (options.json) {
    const Json document = {{"model", "sha256:" + hash()}, {"tasks", scores}};
    fmt::print("{}\n", document.dump(2));
  } else {
    print_table(tasks, scores);
  }
  finish_output();  // or the journal stays
  if (journal) journal->finish();
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_torch_command(app, "evaluate");
  command->add_option("--model", options->model, "checkpoint folder with its tokenizer")
      ->required();
  command->add_option("--tasks", options->tasks, "names, separated by commas")
      ->required()
      ->delimiter(',')
      ->transform([](const std::string& name) { return CLI::detail::trim_copy(name); });
  command->add_option("--data", options->data, "folder of the tasks' data files")
      ->capture_default_str();
  command->add_option(
      "--tasks-dir", options->tasks_folder, "folder of task files, instead of ours");
  CLI::Option* limit = command
                           ->add_option("--limit",
                                        options->task.limit,
                                        "the first N items of each task, or of each member of a "
                                        "group; all where there are fewer, or for 0")
                           ->check(at_least(0))
                           ->capture_default_str();
  command
      ->add_option("--items",
                   options->items,
                   "file of the only items to score: lines task<TAB>id, or id for a single task")
      ->excludes(limit);
  command
      ->add_option("--fewshot",
                   options->task.fewshot,
                   "examples in front of each prompt, instead of each task's own number")
      ->check(at_least(0));
  command->add_option("--samples", options->samples, "file for one JSON line per item");
  command->add_flag("--no-generation",
                    options->no_generation,
                    "only what log-likelihoods give: no answers are generated, no programs run");
  command
      ->add_option("--answers",
                   options->task.answers,
                   "generated for each item, for pass@1, pass@10, …; needs a --temperature")
      ->check(at_least(1));
  command->add_option("--temperature",
                      options->task.temperature,
                      "of generated answers, instead of each task's own; 0: always the likeliest "
                      "token");
  command->add_option(
      "--top-k", options->task.top_k, "only so many of the likeliest tokens; 0: all");
  command->add_option(
      "--top-p", options->task.top_p, "only the likeliest tokens that together have this share");
  command->add_option("--seed", options->scorer.seed, "of drawn answers")
      ->check(at_least(0))
      ->capture_default_str();
  CLI::Option* journal = command->add_option(
      "--journal",
      options->journal,
      "SQLite file that keeps every finished item of every model; without, what an evaluation of "
      "more than three seconds finishes is kept in ~/.cache/demix until it is done, so that it "
      "goes on after an interruption");
  command->add_flag("--no-journal", options->no_journal, "keep nothing; compute all items")
      ->excludes(journal);
  command->add_option("--dtype", options->dtype, "float32 or bfloat16")->capture_default_str();
  command->add_option("--device", options->device, "cpu, cuda, cuda:N or auto")
      ->capture_default_str();
  command
      ->add_option("--max-length",
                   options->scorer.max_length,
                   "tokens that the model reads, longer prompts are cut from the left; 0: all of "
                   "its positions")
      ->capture_default_str();
  command
      ->add_option("--tokens-per-pass",
                   options->scorer.tokens_per_pass,
                   "tokens computed together; changes speed and memory, not results")
      ->capture_default_str();
  command->add_flag("--json", options->json, "one JSON document instead of a table");
  command->footer(
      "Example: demix evaluate --model runs/demo/base --tasks arc_easy,gsm8k --data "
      "data/demo/bench "
      "--limit 200");
  command->callback([options] { evaluate(*options); });
}

}  // namespace demix::cli
