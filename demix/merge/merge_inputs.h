// The model folders of a merge: whether they belong together, and which tensors the result has.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/core/json.h"
#include "demix/merge/number_formats.h"
#include "demix/model/checkpoint_files.h"

namespace demix {

// A Hugging Face folder of any architecture.
struct ModelFolder {
  std::string label;  // for messages: "base", "component 'math'"
  Checkpoint checkpoint;
  std::shared_ptr<const Json> config;  // config.json; null when there is none

  // Throws Error when the weights or config.json cannot be read.
  static ModelFolder open(std::string label, const std::filesystem::path& folder);
  const std::filesystem::path& path() const { return checkpoint.folder(); }
};

// A tensor of the result.
struct PlannedTensor {
  std::string name;
  std::vector<int64_t> shape;
  int64_t count = 0;
  // Integers and truth values are not merged but copied, and must be the same everywhere.
  bool merged = true;
  std::string dtype;                // of the result
  std::vector<std::string> dtypes;  // of each input, as in `inputs` of plan_merge
};

struct MergePlan {
  std::vector<PlannedTensor> tensors;  // sorted by name
  std::vector<std::string> dropped;    // tied copies, and buffers that are computed anew
};

// `inputs` are the reference (the base, or without one the first model) and the models. Throws
// Error that names all tensors, up to a few of each kind, in whose shape or presence the inputs
// differ and those of dtypes that cannot be merged; warns of other dtypes than the reference's.
// Without `format`, results have their dtype in the reference.
MergePlan plan_merge(std::span<const ModelFolder* const> inputs,
                     std::optional<NumberFormat> format);

// Throws Error when a model has another architecture than the reference, by config.json, or another
// vocabulary, by its tokenizer files; warns of smaller differences.
void check_same_family(const ModelFolder& reference, const ModelFolder& model);

// The same of a tokenizer that the result gets instead of the reference's: throws Error where
// `folder` holds none, it has another vocabulary, or more tokens than the embeddings have rows.
void check_tokenizer(const ModelFolder& reference, const std::filesystem::path& folder);

}  // namespace demix
