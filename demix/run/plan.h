// What a run will cost, before it starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "demix/core/json.h"
#include "demix/run/run_config.h"

namespace demix {

struct PlanStage {
  std::string name;    // as in the run's account of seconds
  int64_t models = 0;  // trained or scored
  int64_t tokens = 0;  // trained or scored
  double flops = 0;    // of matrix products
  double seconds = 0;  // predicted on this machine
};

struct Plan {
  std::vector<PlanStage> stages;
  double seconds = 0;
  int64_t parameters = 0;
  int64_t disk_bytes = 0;    // that the run folder will take
  int64_t memory_bytes = 0;  // peak, resident
  std::string components;    // where they would lie during the search, in words
  double train_step_seconds =
      0;                      // one optimiser step, with as many models at once as the run trains
  double score_seconds = 0;   // one model on all tasks and held-out text, answers included
  int64_t answers = 0;        // generated for one model
  double answer_seconds = 0;  // with all the tokens that they may have
  std::vector<std::string> warnings;  // whole sentences
};

// Reads a sample of every dataset, times one training step and one scoring pass on random weights,
// and counts the rest. Executes nothing of the run and leaves nothing behind; takes about 15 s, and
// what a few training steps take.
Plan make_plan(const RunConfig& config);

Json to_json(const Plan& plan);
std::string plan_table(const Plan& plan);

}  // namespace demix
