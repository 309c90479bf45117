// What is wrong with a run and can be known before its work: said at once, not after hours.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "demix/run/metrics.h"
#include "demix/run/run_config.h"

namespace demix {

class Tokenizer;

// Throws Error, by its key, where it cannot be read.
Tokenizer run_tokenizer(const RunConfig& config);

// Throws Error when a dataset has no files, when an imported model is not there, lacks a file or
// does not fit base and tokenizer, when `search` names a domain, metric or dataset that is not
// there, and on constraints that contradict each other whatever the datasets hold. Reads no
// weights.
void check_before_work(const RunConfig& config,
                       const Tokenizer& tokenizer,
                       const std::vector<ScoredMetric>& metrics);

// Throws Error when the proxies asked for cannot have all of `metrics` or be counted as
// search.budget counts them.
void check_proxies(const RunConfig& config,
                   const std::vector<ScoredMetric>& metrics,
                   const std::vector<Task>& tasks);

// Throws Error when an item of the tasks does not fit the model. Takes the time of tokenising them.
void check_items(const RunConfig& config,
                 const Tokenizer& tokenizer,
                 const std::vector<Task>& tasks);

// All constraints, once the datasets' tokens are known (in their order). Throws Error when no
// mixture meets them.
void check_constraints(const RunConfig& config, std::span<const int64_t> dataset_tokens);

}  // namespace demix
