// metrics.jsonl: one line per optimiser step, and a last one with what was consumed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "demix/corpus/stream.h"

namespace demix {

struct StepMetrics {
  int64_t step = 0;    // from one
  int64_t tokens = 0;  // so far, this step included
  double loss = 0;     // nats per predicted token
  double learning_rate = 0;
  double gradient_norm = 0;  // before clipping
  double tokens_per_second = 0;
};

class MetricsFile {
 public:
  // Keeps the lines of the first `steps` steps and cuts off the others, which a resumed run writes
  // again.
  MetricsFile(std::filesystem::path path, int64_t steps);

  // Each line is handed to the system at once. Throws Error when the disk is full.
  void add(const StepMetrics& metrics);
  void add_consumed(int64_t step,
                    const std::vector<std::string>& datasets,
                    const Consumed& consumed);

 private:
  void line(const std::string& text);
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace demix
