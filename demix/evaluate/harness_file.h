// Task files of lm-evaluation-harness 0.4.13, read as they are where they need no Python.
//
// Read: task, include, dataset_path, dataset_name, the splits, output_type (multiple_choice,
// loglikelihood, loglikelihood_rolling, generate_until), doc_to_text, doc_to_target, doc_to_choice,
// description, gen_prefix (templates: jinja.h), the delimiters, num_fewshot, fewshot_config
// (sampler, split, samples, the prompts and delimiters of examples), metric_list, generation_kwargs
// (until, do_sample, temperature, top_p, top_k, max_gen_toks and its other names, num_beams: 1),
// filter_list (regex, multi_choice_regex, remove_whitespace, lowercase, uppercase, and take_first
// at the end),
// repeats: 1. Passed over, since they change no score: tag, task_alias, dataset_kwargs, metadata,
// should_decontaminate, doc_to_decontamination_query. Everything else, Python functions first of
// all, is refused by name with its line.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "demix/core/json.h"
#include "demix/evaluate/harness_prompts.h"

namespace demix {

class ConfigNode;
struct TaskConfig;

// Whether a YAML document is such a file rather than one of ours.
bool is_harness_task(const ConfigNode& node);

struct HarnessTask {
  HarnessPrompts prompts;          // of the document that is asked about
  HarnessPrompts example_prompts;  // of examples
  std::optional<HarnessText> description;
  std::vector<Json> examples;                 // written in the file
  std::map<std::string, std::string> places;  // our key -> where the harness's stands
  bool generates = false;
  bool rolls = false;  // the answer is a text that is scored whole (Task::rolls)
  // num_fewshot: 0, which the harness keeps to whatever --fewshot says.
  bool keeps_no_examples = false;

  // Whether likelihoods of choices are compared. (Generated answers may have choices, for the gold
  // one.)
  bool chooses() const { return prompts.choices && !generates; }
};

// Fills `config` with what a file of ours would say.
//
// Data are looked for under the task's name and split ("sciq_test"), the task's name, and the
// dataset's own names ("ai2_arc/ARC-Easy/test-00000-of-00001"). The domain is general. Metrics are
// the file's, "exact_match,FILTER" where a filter has a name, choice_prob where there are choices,
// and bpb.
HarnessTask read_harness_task(const std::filesystem::path& path, TaskConfig& config);

}  // namespace demix
