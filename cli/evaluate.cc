#include <ATen/core/Tensor.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "cli/commands.h"
#include "cli/torch_commands.h"
#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/item_list.h"
#include "demix/evaluate/scorer.h"
#include "demix/model/decoder.h"
#include "demix/model/weights.h"
#include "demix/run/device.h"

namespace demix::cli {
namespace {

struct Options {
  std::filesystem::path model, data = "data/demo/bench", tasks_folder, samples, items;
  std::vector<std::string> tasks;
  int64_t limit = 0;
  std::optional<int64_t> fewshot;
  std::string dtype = "float32", device = "auto";
  ScorerConfig scorer;
  bool json = false, no_generation = false;
};

void write_samples(const std::filesystem::path& path,
                   const std::vector<Task>& tasks,
                   const std::vector<ItemScore>& scores) {
  std::string lines;
  auto score = scores.begin();
  for (const Task& task : tasks) {
    for (const Item& item : task.items) {
      Json line = {{"task", task.name},
                   {"id", item.id},
                   {"gold", item.gold},
                   {"loglikelihoods", score->loglikelihoods},
                   {"chars", item.chars},
                   {"bytes", item.bytes}};
      if (score->judgement) {
        line["gold"] = score->judgement->gold;
        line["generated"] = score->generated;
        line["extracted"] = score->judgement->extracted;
        for (const auto& [metric, value] : score->judgement->metrics) line[metric] = value;
      }
      lines += line.dump() + "\n";
      ++score;
    }
  }
  write_file_atomically(path, lines);
}

// Members of groups below their group, by their primary metric.
void print_table(const std::vector<Task>& tasks, const Scores& scores) {
  size_t width = 16;
  for (const Task& task : tasks)
    for (const Task::Member& member : task.members) width = std::max(width, member.name.size() + 2);
  const auto print = [&](const std::string& task,
                         const std::string& name,
                         const MetricValue& metric,
                         const std::string& note) {
    fmt::print("{:<{}} {:<18} {:>10.4f} {:>10.4f} {:>7}{}\n",
               task,
               width,
               name,
               metric.value,
               metric.stderr_,
               metric.n,
               note);
  };
  fmt::print(
      "{:<{}} {:<18} {:>10} {:>10} {:>7}\n", "task", width, "metric", "value", "± stderr", "n");
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

void evaluate(const Options& options) {
  const std::filesystem::path tasks_folder =
      options.tasks_folder.empty() ? default_tasks_folder() : options.tasks_folder;
  std::map<std::string, std::map<std::string, std::string>> items;
  if (!options.items.empty()) items = read_item_list(options.items, options.tasks);
  std::vector<Task> tasks;
  for (const std::string& name : options.tasks) {
    const TaskOptions task_options{.limit = options.limit,
                                   .fewshot = options.fewshot,
                                   .items = items[name],
                                   .generate = !options.no_generation};
    tasks.push_back(load_task(name, tasks_folder, options.data, task_options));
  }
  const at::Device device = resolve_device(options.device);
  const at::ScalarType dtype = resolve_dtype(options.dtype, "--dtype");
  const Architecture architecture = load_architecture(options.model);
  const Tokenizer tokenizer = Tokenizer::load(options.model);
  const Weights weights = load_weights(options.model, architecture, dtype, device);
  const Decoder decoder(architecture, device);
  const Scorer scorer(tasks, {}, tokenizer, decoder, options.scorer);

  std::vector<ItemScore> samples;
  Scores scores = scorer.score(weights, /*live=*/true, &samples);
  add_members(tasks, samples, scores);
  if (!options.samples.empty()) write_samples(options.samples, tasks, samples);
  if (options.json) {
    const Json document = {{"model", "sha256:" + weights_hash(architecture, weights)},
                           {"tasks", scores}};
    fmt::print("{}\n", document.dump(2));
  } else {
    print_table(tasks, scores);
  }
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_torch_command(app, "evaluate");
  command->add_option("--model", options->model, "checkpoint folder with its tokenizer")
      ->required();
  command->add_option("--tasks", options->tasks, "names, separated by commas")
      ->required()
      ->delimiter(',');
  command->add_option("--data", options->data, "folder of the tasks' data files")
      ->capture_default_str();
  command->add_option(
      "--tasks-dir", options->tasks_folder, "folder of task files, instead of ours");
  CLI::Option* limit = command
                           ->add_option("--limit",
                                        options->limit,
                                        "the first N items of each task, or of each member of a "
                                        "group; all where there are fewer, or for 0")
                           ->check(CLI::NonNegativeNumber)
                           ->capture_default_str();
  command
      ->add_option("--items",
                   options->items,
                   "file of the only items to score: lines task<TAB>id, or id for a single task")
      ->excludes(limit);
  command
      ->add_option("--fewshot",
                   options->fewshot,
                   "examples in front of each prompt, instead of each task's own number")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--samples", options->samples, "file for one JSON line per item");
  command->add_flag("--no-generation",
                    options->no_generation,
                    "only what log-likelihoods give: no answers are generated, no programs run");
  SamplingConfig& sampling = options->scorer.generate.sampling;
  command
      ->add_option("--temperature",
                   sampling.temperature,
                   "of generated answers; 0: always the likeliest token")
      ->capture_default_str();
  command->add_option("--top-k", sampling.top_k, "only so many of the likeliest tokens; 0: all")
      ->capture_default_str();
  command
      ->add_option(
          "--top-p", sampling.top_p, "only the likeliest tokens that together have this share")
      ->capture_default_str();
  command->add_option("--seed", sampling.seed, "of drawn answers")->capture_default_str();
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
