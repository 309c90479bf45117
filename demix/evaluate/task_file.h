// A task's YAML file, ours or lm-evaluation-harness' (harness_file.h), read and checked; its data
// are not touched here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "demix/core/config.h"
#include "demix/core/json.h"
#include "demix/evaluate/answer_filters.h"
#include "demix/evaluate/harness_file.h"
#include "demix/evaluate/prompt.h"

namespace demix {

// Examples in front of an item's prompt, as lm-evaluation-harness 0.4.13 puts them there: preamble,
// then for each example context + target_delimiter + answer + delimiter, then the item's context.
struct FewshotConfig {
  int64_t number = 0;                  // of examples, unless told otherwise (--fewshot)
  std::vector<std::string> data;       // stems of the file that they are drawn from, or instead …
  std::optional<ConfigNode> examples;  // … rows written here, in the data's fields
  std::string sampler = "random";      // or first_n
  // One more is drawn than needed, and the item itself not taken. The harness does so where test
  // and examples come from the same split, and, by its defaults, where a task has no test split.
  bool leave_out_item = false;
  std::vector<std::string> context;  // of an example, where it is not the item's
  std::string answer;
  std::string delimiter = "\n\n";               // between examples
  std::optional<std::string> target_delimiter;  // default: the task's delimiter
  template <class V>
  void visit(V& v) {
    v("number", number);
    v("data", data);
    v("examples", examples);
    v("sampler", sampler);
    v("leave_out_item", leave_out_item);
    v("context", context);
    v("answer", answer);
    v("delimiter", delimiter);
    v("target_delimiter", target_delimiter);
  }
};

// Answers that the model writes behind the item's context.
struct GenerationConfig {
  std::string judge;               // gsm8k, math or program: judge.h
  std::vector<std::string> stops;  // texts that end an answer; the end token does so anyway
  int64_t max_tokens = 256;
  int64_t answers = 1;     // of each item; several for pass@k
  double temperature = 0;  // 0: always the likeliest token
  int64_t top_k = 0;       // only so many of the likeliest tokens; 0: all
  double top_p = 1;        // only the likeliest tokens that together have this share
  std::string reference;   // prompt: the gold answer, or what follows a program's generated part
  std::string program;     // prompt: what precedes that part
  // Not keys of ours: of lm-evaluation-harness' files, whose judge is kFilterJudge.
  AnswerRules rules;
  template <class V>
  void visit(V& v) {
    v("judge", judge);
    v("stops", stops);
    v("max_tokens", max_tokens);
    v("answers", answers);
    v("temperature", temperature);
    v("top_k", top_k);
    v("top_p", top_p);
    v("reference", reference);
    v("program", program);
  }
};

// The YAML's fields. Three kinds of task:
//
//   one context, choices, gold       multiple choice
//   several contexts, answer, gold   partial sentences: which makes the common answer likeliest
//   one context, answer              bits per byte of the gold answer
struct TaskConfig {
  std::string description;  // for people
  std::string domain;       // the group whose average the search sees, such as "math"
  // A group: this file stands for the tasks NAME_member, one for each member; stems and preamble
  // have the member's name at {member}.
  std::vector<std::string> members;
  std::string average = "items";        // of a group: over all its items, or over its members
  std::vector<std::string> data;        // stems of the data file; the first that is there is read
  std::vector<std::string> data_parts;  // where there is none of them: all of these together
  std::map<std::string, std::vector<int64_t>>
      keep;              // field: [smallest, largest]; other rows are left out
  std::string id;        // prompt; empty: the row's number from 0
  std::string preamble;  // in front of every context
  std::vector<std::string> context;
  std::vector<std::string> choices;  // prompts, or one field that is a list
  std::string answer;
  std::string gold;                 // prompt: number of the right choice from 0, or one of `labels`
  std::vector<std::string> labels;  // prompts or one list field
  std::string delimiter = " ";      // between context and continuation
  std::vector<std::string> context_transforms, choice_transforms;  // of the whole rendered text
  FewshotConfig fewshot;
  GenerationConfig generation;
  std::vector<std::string> metrics;
  std::string primary_metric;  // what a search optimises unless told otherwise
  template <class V>
  void visit(V& v) {
    v("description", description);
    v("domain", domain);
    v("members", members);
    v("average", average);
    v("data", data);
    v("data_parts", data_parts);
    v("keep", keep);
    v("id", id);
    v("preamble", preamble);
    v("context", context);
    v("choices", choices);
    v("answer", answer);
    v("gold", gold);
    v("labels", labels);
    v("delimiter", delimiter);
    v("context_transforms", context_transforms);
    v("choice_transforms", choice_transforms);
    v("fewshot", fewshot);
    v("generation", generation);
    v("metrics", metrics);
    v("primary_metric", primary_metric);
  }
};

// What a row is filled into to become an item.
struct ItemPrompts {
  std::vector<Prompt> contexts, choices, answer, gold, labels;
  std::vector<Transform> context_transforms, choice_transforms;
};

class TaskFile {
 public:
  // Throws Error with file and line.
  explicit TaskFile(const std::filesystem::path& path);

  const TaskConfig& config() const { return config_; }
  const ItemPrompts& prompts() const { return prompts_; }
  const ItemPrompts& example_prompts() const { return example_prompts_; }
  const std::optional<Prompt>& id() const { return id_; }
  // Of a file of lm-evaluation-harness, which has these instead of prompts of ours; else null.
  const HarnessTask* harness() const { return harness_ ? &*harness_ : nullptr; }
  // Of generation; nothing where the file has none.
  const std::optional<Prompt>& reference() const { return reference_; }
  const std::optional<Prompt>& program() const { return program_; }
  // The rows of fewshot.examples, all scalars as text; of a harness's file with YAML's types.
  std::vector<Json> examples() const;

  // "tasks/a.yaml:3: context", "tasks/a.yaml:9: fewshot.data"; the whole file where the key is
  // absent.
  std::string where(std::string_view key) const;

 private:
  std::vector<Prompt> parse(std::string_view key, const std::vector<std::string>& texts) const;
  void read_prompts();
  void check_kind() const;
  void check_fewshot() const;
  void check_generation() const;
  void check_metrics() const;

  ConfigNode node_;
  std::optional<HarnessTask> harness_;
  TaskConfig config_;
  ItemPrompts prompts_, example_prompts_;
  std::optional<Prompt> id_, reference_, program_;
};

}  // namespace demix
