// The state of an unfinished training run, in one file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace demix {

struct TrainState {
  int64_t step = 0;            // optimiser steps done
  double seconds = 0;          // spent on them, over all starts
  std::vector<double> losses;  // of every step
};

// The tensors that a checkpoint holds, as flat buffers.
struct TrainTensors {
  std::span<float> weights, mean, variance;
};

// Complete or absent. Throws Error when the disk is full.
void write_checkpoint(const std::filesystem::path& path,
                      const std::string& key,
                      const TrainState& state,
                      const TrainTensors& tensors);

// Fills `tensors` and returns the state. A missing file gives nothing; a damaged one, or one of
// another key, gives nothing and a warning, with `tensors` as they were.
std::optional<TrainState> read_checkpoint(const std::filesystem::path& path,
                                          const std::string& key,
                                          const TrainTensors& tensors);

}  // namespace demix
