// Trains one model on one mixture: base, components and references all come from here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "demix/core/json.h"
#include "demix/corpus/stream.h"
#include "demix/model/architecture.h"

namespace demix {

class Progress;
struct Weights;

struct ScheduleConfig {
  std::string kind = "cosine";  // cosine | constant | wsd (warm-up, stable, linear decay)
  double warmup = 0.05;         // share of the steps
  double floor = 0.2;           // last rate as a share of the peak (cosine, wsd)
  double decay = 0.2;           // wsd: share of the steps that decay
  template <class V>
  void visit(V& v) {
    v("kind", kind);
    v("warmup", warmup);
    v("floor", floor);
    v("decay", decay);
  }
  void check() const;
};
// Learning rate of step `step` of `steps` as a share of the peak.
double schedule_factor(const ScheduleConfig& schedule, int64_t step, int64_t steps);

struct TrainConfig {
  int64_t sequence_length = 256;  // tokens
  int64_t rows_per_step = 32;     // sequences per optimiser step
  int64_t rows_per_pass = 0;      // sequences per forward pass; 0: chosen for the device
  double learning_rate = 3e-4;    // at its peak
  ScheduleConfig schedule;        // of the rate
  double weight_decay = 0.1;      // on matrices only
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;  // AdamW
  double clip_norm = 1.0;                            // 0: off
  // Of products: bfloat16, float32, or auto, whichever the device is faster in. Master weights and
  // optimiser are float32.
  std::string dtype = "auto";
  int64_t checkpoint_every = 0;  // steps; 0: by time, about every 60 s
  bool deterministic = false;    // CUDA: deterministic kernels
  template <class V>
  void visit(V& v) {
    v("sequence_length", sequence_length);
    v("rows_per_step", rows_per_step);
    v("rows_per_pass", rows_per_pass);
    v("learning_rate", learning_rate);
    v("schedule", schedule);
    v("weight_decay", weight_decay);
    v("beta1", beta1);
    v("beta2", beta2);
    v("epsilon", epsilon);
    v("clip_norm", clip_norm);
    v("dtype", dtype);
    v("checkpoint_every", checkpoint_every);
    v("deterministic", deterministic);
  }
  void check() const;
};

// Whether training with `dtype` on the CPU is many times slower than in float32, since this
// processor has no products of bfloat16.
bool is_slow_on_cpu(const TrainConfig& config);

// Beside a model's own files: what it was on the way (TrainJob::keep_early), in the same layout.
inline constexpr const char* kEarlyFolder = "early";

struct TrainJob {
  std::string name;  // "components/math_high"
  std::string key;   // content key: identifies everything that determines the result
  Architecture architecture;
  std::vector<MixedStream::Source> sources;
  int64_t tokens = 0;               // budget; rounded up to whole steps
  uint64_t seed = 0;                // of the stream's order
  std::filesystem::path folder;     // result and checkpoints
  std::filesystem::path tokenizer;  // copied beside the result; may be empty
  std::string device = "cpu";
  // Share of the steps after which the weights are kept once more, in folder / kEarlyFolder; 0:
  // none. Changes no weight.
  double keep_early = 0;
  // Called after every optimiser step, when its metrics are written; may throw to stop.
  std::function<void(int64_t step)> after_step = {};
};

// A model on its way, kept in its kEarlyFolder.
struct EarlyWeights {
  int64_t tokens = 0;        // trained on until then; 0: none were kept
  std::string weights_hash;  // of the float32 weights
};

struct TrainResult {
  int64_t steps = 0, tokens = 0;
  double final_loss = 0;  // mean over the last tenth of the steps, nats per token
  std::vector<std::string> datasets;
  Consumed consumed;
  double seconds = 0;        // accumulated over resumes
  std::string weights_hash;  // of the float32 weights
  EarlyWeights early;
};
void to_json(Json& json, const EarlyWeights& early);
void from_json(const Json& json, EarlyWeights& early);
void to_json(Json& json, const TrainResult& result);
void from_json(const Json& json, TrainResult& result);

// Trains from `initial` (float32, CPU) and writes a Hugging Face folder (float32) with
// metrics.jsonl beside it, and result.json last of all: a folder with that file of the same key is
// finished and only read. A checkpoint in `job.folder` of the same key is taken up; the result is
// bit-identical to that of an uninterrupted run (on the CPU with any number of threads; on CUDA
// with `deterministic`). Uses the calling thread's number of threads (at::set_num_threads); several
// jobs may run in parallel, each from a thread of its own. Throws Error when loss or gradient are
// not finite, with step, rate and datasets of the step.
TrainResult train(const TrainJob& job,
                  const TrainConfig& config,
                  const Weights& initial,
                  Progress& progress);

}  // namespace demix
