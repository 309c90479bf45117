// What is wrong with a run and can be known before its work: said at once, not after hours.
#pragma once

#include <cstdint>
#include <span>

#include "demix/run/run_config.h"

namespace demix {

class Tokenizer;

// Throws Error when an imported model is not there or fits neither base nor tokenizer, and on
// constraints that contradict each other whatever the datasets hold. Reads no weights.
void check_before_work(const RunConfig& config, const Tokenizer& tokenizer);

// All constraints, once the datasets' tokens are known (in their order). Throws Error when no
// mixture meets them.
void check_constraints(const RunConfig& config, std::span<const int64_t> dataset_tokens);

}  // namespace demix
