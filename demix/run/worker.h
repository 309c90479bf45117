// A worker: does pieces of a run's work for its coordinator (coordinator.h), from any machine that
// sees the run's folder and its data under the same paths.
//
// It keeps a journal of its own, in memory, to which the coordinator's datasets and models are
// added; so models, datasets and proxies are found, trained and scored by the code of the loop, and
// what is new in the journal is the answer. A job, in JSON:
//
//   {"do": "train", "label": …, "request": ModelRequest, "known": [entries]}
//   {"do": "score merges", "merge": YAML, "components": [ModelFacts],
//    "requests": [{"name", "merge_weights", "terms", "on_selection"}], "known": [entries]}
//   {"do": "score model", "model": ModelFacts, "terms": …, "known": [entries]}
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "demix/core/json.h"
#include "demix/run/models.h"
#include "demix/run/proxy.h"

namespace demix {

Json training_job(const std::string& label, const ModelRequest& request);
Json scoring_job(std::span<const ProxyRequest> requests,
                 std::span<const ModelFacts> components,
                 const MergeConfig& merge);
Json scoring_job(const ModelFacts& model, bool with_terms);

struct WorkerOptions {
  std::filesystem::path run_folder;
  std::string device;             // instead of the run's, if not empty
  std::optional<int> local_rank;  // number among the workers of this machine: which accelerator
  int threads = 0;                // instead of the run's, if not 0
  std::chrono::seconds patience{600};  // for a coordinator that is not there (any more)
  std::chrono::milliseconds beat{1'000};
  // Called, from any thread, when the way to the coordinator breaks, or no answer came or this
  // process was stopped for ten beats: what is in work would be done twice. Must not return. By
  // default the process ends.
  std::function<void()> lost;
};

// Works until the run is over; returns how many jobs it did. Throws Error when no coordinator is
// there for as long as `patience`, or when this machine does not see what the run reads.
int64_t work(const WorkerOptions& options);

}  // namespace demix
