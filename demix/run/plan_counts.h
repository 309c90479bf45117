// How many pieces of work a run has, and what they come to: the plan without its measurements.
#pragma once

#include <cstdint>
#include <set>

#include "demix/merge/storage.h"
#include "demix/run/plan.h"
#include "demix/run/plan_costs.h"

namespace demix {

// What is counted beside the configuration.
struct PlanFacts {
  bool ensembles = true;           // have all the scores that count
  bool merged = false;             // proxies are merges
  int64_t token_bytes = 2;         // of a token of the corpus
  int64_t activation_numbers = 0;  // of one token in training
};

// How many models train at once in any of the run's stages, where it trains `parallel_models` at
// once.
std::set<int> models_at_once(const RunConfig& config, int parallel_models);

// `costs.step_seconds` has an entry for each of models_at_once(). Stages, sums, disk and memory but
// for the components' storage, and warnings.
Plan count_work(const RunConfig& config, const PlanFacts& facts, const PieceCosts& costs);

// Where the components lie during the search.
void add_storage(const Storage& storage, Plan& plan);

}  // namespace demix
