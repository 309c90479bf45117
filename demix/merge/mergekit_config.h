// mergekit's YAML configurations, for the methods of the table.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "demix/core/config.h"
#include "demix/merge/merge_to_disk.h"

namespace demix {

// What a configuration asks for. `job_of` gives it to merge_to_disk.
struct MergekitConfig {
  const MergeMethod* method = nullptr;
  std::vector<MergeSource> models;
  std::optional<std::filesystem::path> base;
  std::unique_ptr<ParameterPlan> parameters;
  std::optional<NumberFormat> format;
  std::filesystem::path tokenizer;  // empty: the base's
  std::optional<std::string> chat_template;
};

// Reads models or slices that cover whole models, base_model, parameters (global, of a slice, of a
// model; numbers, gradients, filters), dtype, out_dtype, tokenizer_source, tokenizer.source and
// chat_template. Paths are relative to the working folder, as in mergekit. Throws Error, with file
// and line, for what is wrong and for what demix does not support, by its name.
MergekitConfig read_mergekit_config(const ConfigNode& config);

}  // namespace demix
