// A benchmark as data: one YAML file in tasks/ names its data file, prompt, answer and metrics.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace demix {

struct AnswerRules;

// One question. A choice item has several continuations and a gold index; a gold-answer item has
// one.
struct Item {
  std::string id;
  // One context per continuation where they differ (winogrande's partial sentences); else one.
  std::vector<std::string> contexts;
  std::vector<std::string> continuations;
  int gold = 0;
  // Lengths of the answers without the leading delimiter, for acc_norm, acc_bytes and bits per
  // byte.
  std::vector<int64_t> chars, bytes;
  // Where answers are generated: the gold answers as the judge takes them, of which one is enough;
  // a task file of ours has one. Of programs: what precedes the generated text, and as the
  // reference what follows it.
  std::string program;
  std::vector<std::string> references;
  // What an answer may name, for the filters that look for it (AnswerRules::need_choices).
  std::vector<std::string> named_choices;
  int64_t words = 0;  // of a text that is scored whole (Task::rolls)
};

// How a task's answers are generated and judged (judge.h).
struct TaskGeneration {
  std::vector<std::string> stops;  // texts that end an answer and do not belong to it
  int64_t max_tokens = 256;
  std::string judge;
  std::shared_ptr<const AnswerRules> rules;  // of kFilterJudge (answer_filters.h)
  int64_t answers = 1;                       // of each item
  // How they are drawn; the seed is the scorer's.
  double temperature = 0;
  int64_t top_k = 0;
  double top_p = 1;
};

struct Task {
  std::string name;
  std::string domain;
  std::string primary_metric;        // what the search optimises, such as "bpb"
  std::vector<std::string> metrics;  // all that are computed
  std::vector<Item> items;
  std::string hash;  // SHA-256 of everything else here

  // Of a group, such as mmlu: the tasks that it stands for, in the order of their items. Empty for
  // other tasks.
  struct Member {
    std::string name;  // "mmlu_anatomy"
    int64_t items;
  };
  std::vector<Member> members;
  bool members_count_equally = false;  // in the group's metrics, whatever their numbers of items

  // Items are texts of any length, scored token by token in windows as wide as the model reads:
  // lm-evaluation-harness' loglikelihood_rolling. Contexts are empty.
  bool rolls = false;

  std::optional<TaskGeneration> generation;  // where metrics ask for generated answers
};

struct TaskOptions {
  int64_t limit = 0;               // the first items, of each member of a group; 0: all
  std::optional<int64_t> fewshot;  // examples in each prompt; default: the task's number
  // Ids of the only items wanted, each with the place that asks for it; empty: all. An item's
  // prompt does not depend on what other items are wanted.
  std::map<std::string, std::string> items;
  // Whether the metrics of generated answers are wanted. Without, they are left out, unless the
  // task's primary metric is one.
  bool generate = false;
  // Of generated answers, instead of the task's own. With several answers of an item, pass@1,
  // pass@10, … are given up to their number.
  std::optional<int64_t> answers, top_k;
  std::optional<double> temperature, top_p;
};

// Reads NAME.yaml in `tasks_folder` and its data in `data_folder`: the first of the task's stems
// that is there with .jsonl, .jsonl.gz, .jsonl.zst, .parquet or .arrow. A member of a group can be
// named as well ("mmlu_anatomy"). Throws Error with file and line for a bad task, with file and row
// for a row that does not fit it, and for an item that is not there.
Task load_task(const std::string& name,
               const std::filesystem::path& tasks_folder,
               const std::filesystem::path& data_folder,
               const TaskOptions& options);

// The tasks that come with the program: ../tasks beside its folder, or else in the source tree that
// it was built from. Throws Error when neither is there.
std::filesystem::path default_tasks_folder();

// The tasks of a folder, sorted.
std::vector<std::string> task_names(const std::filesystem::path& tasks_folder);

}  // namespace demix
