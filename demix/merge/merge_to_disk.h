// Checkpoint folders in, a merged checkpoint folder out: tensors stream past in bounded memory, of
// any architecture, with any method of the table.
#pragma once

#include <atomic>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "demix/merge/merge_inputs.h"
#include "demix/merge/parameter_plan.h"

namespace demix {

struct MergeSource {
  std::string name;
  std::filesystem::path folder;
};

struct MergeJob {
  const ParameterPlan& parameters;  // with the method
  std::vector<MergeSource> models;
  // Where the models come from: distances are measured from here, and the result gets its
  // configuration. Also an input of methods that read a base.
  std::optional<std::filesystem::path> base;
  std::filesystem::path out;

  uint64_t seed = 0;                   // of methods that draw
  std::optional<NumberFormat> format;  // of the result; without, each tensor's in the base
  std::filesystem::path tokenizer;     // folder to copy it from; empty: the base's
  bool copy_tokenizer = true;
  std::optional<std::string> chat_template;  // replaces the tokenizer's
  uint64_t max_shard_bytes = 5'000'000'000;
  // Of memory for tensors. Without: 128 MB more than the largest tensor of all inputs and of the
  // result take in float32.
  std::optional<uint64_t> memory_bytes;
  int threads = 0;  // 0: as many as the machine has; never changes the result
  // A model that drifted farther from the base stops the merge; see UpdateStatistics::drift.
  double most_drift = std::numeric_limits<double>::infinity();
  bool sync = false;                        // on the disk when done, safe from a loss of power
  const std::atomic<bool>* stop = nullptr;  // set from elsewhere: ends the merge with an Error
};

// What is known of one input after a merge.
struct MergedInput {
  std::string name;
  std::filesystem::path folder;
  std::string content;  // hash of names, shapes and numbers; the same for any division into shards
  double norm = 0;
  // From the reference, which itself has 0.
  double distance = 0, drift = 0;
  // Its factor in the result, from the least to the largest over all tensors; nothing where the
  // method decides by the numbers.
  std::optional<std::pair<double, double>> weight;
};

struct MergeReport {
  MergedInput reference;  // the base, or without one the first model
  bool has_base = false;
  std::vector<MergedInput> models;
  // Between the updates from the reference, [models][models]; with many models empty.
  std::vector<std::vector<double>> cosines;
  int64_t merged_tensors = 0, copied_tensors = 0, parameters = 0;
  std::vector<std::string> dropped;
  std::vector<std::string> warnings;
};

// Throws Error on any input that cannot be merged, non-finite numbers in inputs or result included;
// nothing is left behind then. Writes demix_merge.json beside the weights: method, parameters,
// effective weights, distances and hashes.
MergeReport merge_to_disk(const MergeJob& job);

}  // namespace demix
