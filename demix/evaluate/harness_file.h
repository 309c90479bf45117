// Task files of lm-evaluation-harness, read as they are where their templates fall within jinja.h.
//
// Read: task, include, dataset_path, dataset_name, the splits, output_type (multiple_choice,
// loglikelihood), doc_to_text, doc_to_target, doc_to_choice, description, the delimiters,
// num_fewshot, fewshot_config (sampler, samples, fewshot_delimiter, target_delimiter), metric_list.
// Passed over, since they change no score: tag, task_alias, dataset_kwargs, metadata,
// should_decontaminate, doc_to_decontamination_query. Everything else, Python functions first of
// all, is refused by name with its line.
#pragma once

#include <map>
#include <string>

#include "demix/evaluate/task_file.h"

namespace demix {

// Whether a YAML document is such a file rather than one of ours.
bool is_harness_task(const ConfigNode& node);

struct HarnessTask {
  TaskConfig config;
  std::map<std::string, std::string> places;  // our key -> where the harness's stands
};

// Data are looked for under the task's name and split ("sciq_test"), the task's name, and the
// dataset's own names ("ai2_arc/ARC-Easy/test-00000-of-00001"). The domain is general. Metrics are
// the file's, choice_prob where there are choices, and bpb.
HarnessTask read_harness_task(const ConfigNode& node);

}  // namespace demix
