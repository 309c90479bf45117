// How a task file of lm-evaluation-harness lets answers be generated, filtered and compared.
#pragma once

#include <optional>
#include <string>

#include "demix/core/config.h"
#include "demix/core/json.h"

namespace demix {

struct TaskConfig;

// A scalar's text. Throws Error where it is a Python function.
std::string harness_text(const ConfigNode& node);
// A value with the type that YAML gives it. Throws Error where it is a function, a date or the
// like.
Json harness_value(const ConfigNode& node);

struct HarnessGeneration {
  std::optional<ConfigNode> kwargs, filters, metrics;
  std::string fewshot_delimiter;  // ends answers where the file says nothing of it
};

// Fills config.generation and adds a metric for each filter. Throws Error naming what is not read
// here, with its line.
void read_harness_generation(const HarnessGeneration& given, TaskConfig& config);

}  // namespace demix
