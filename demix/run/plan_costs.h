// What one piece of each stage's work takes on this machine: measured on a sample of the text and
// on models of random weights.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "demix/run/run_config.h"

namespace demix {

struct Architecture;
struct Task;
class Tokenizer;

struct CorpusCost {
  std::map<std::string, int64_t> tokens;  // of each dataset, extrapolated
  double seconds = 0;                     // to tokenise all of it, all cores
  int64_t total_tokens = 0;
};

// Of one model on all tasks and held-out text, and of that the text alone, which the base reads.
struct ScoringCost {
  double seconds = 0, flops = 0;
  int64_t tokens = 0;
  double text_flops = 0;
  int64_t text_tokens = 0;
};

// Of one model's answers, as long as they may be.
struct AnswersCost {
  double seconds = 0, flops = 0;
  int64_t answers = 0, prompt_tokens = 0, answer_tokens = 0;
};

struct PieceCosts {
  int64_t parameters = 0;              // of a model
  double flops_per_token = 0;          // of training
  int parallel_models = 1;             // trained at once
  std::map<int, double> step_seconds;  // of one optimiser step, by how many models train at once
  CorpusCost corpus;
  ScoringCost scoring;
  AnswersCost answers;
};

// `step_seconds` for as many models at once as each of `at_once`. Takes a few seconds for each kind
// of piece, and three training steps for each of `at_once`; leaves nothing behind.
PieceCosts measure_pieces(const RunConfig& config,
                          const Architecture& architecture,
                          const Tokenizer& tokenizer,
                          const std::vector<Task>& tasks,
                          bool reads_held_out,
                          const std::set<int>& at_once);

}  // namespace demix
