// The tensors of several checkpoints through a merge method into a writer, in bounded memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "demix/merge/checkpoint_writer.h"
#include "demix/merge/merge_inputs.h"
#include "demix/merge/parameter_plan.h"
#include "demix/merge/update_statistics.h"

namespace demix {

struct StreamedMerge {
  // The reference first; it is the method's base if `reference_is_base`, else its first model.
  std::span<const ModelFolder> inputs;
  bool reference_is_base = false;
  const MergePlan& plan;
  const ParameterPlan& parameters;
  std::span<const double> depths;  // of the plan's tensors
  uint64_t seed = 0;
  uint64_t memory_bytes = 0;
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;
};

struct StreamedResult {
  UpdateStatistics statistics;        // of the inputs after the first, from the first
  std::vector<std::string> contents;  // of each input, see ContentHash
};

// The least memory that the merge can do with.
uint64_t least_memory(const StreamedMerge& merge);

// Writes the plan's tensors, in its order, to `writer`, whose tensors are the plan's. What is
// written and returned depends neither on `threads` nor on `memory_bytes`. Throws Error on numbers
// that are not finite, in an input or in the result.
StreamedResult stream_merge(const StreamedMerge& merge, CheckpointWriter& writer);

}  // namespace demix
