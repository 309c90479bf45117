// Runs planned passes through a model.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "demix/evaluate/plan.h"
#include "demix/model/decoder.h"

namespace demix {

class Progress;

// Rows per pass, about `rows_wanted`; on the CPU such that every thread gets as many passes of
// `total_rows` as the others.
int64_t rows_per_pass(int64_t rows_wanted, int64_t total_rows, bool on_cpu);

// Told of each pass when it is finished, by several threads, with the scores of all slots: those of
// the pass do not change any more, others may not be read.
using OnPass = std::function<void(const Pass& pass, std::span<const AnswerScore> slots)>;

// What the answers of each of `slots` slots come to; a slot may occur in one pass only. On the
// CPU, in float32 and bfloat16, threads take whole passes and a slot's value does not depend
// bitwise on anything but its own sequence. Elsewhere, only up to rounding. `progress`, if not
// null, counts rows.
std::vector<AnswerScore> log_likelihoods(std::span<const Pass> passes,
                                         int64_t slots,
                                         const Decoder& decoder,
                                         const Weights& weights,
                                         Progress* progress,
                                         const OnPass& on_pass = {});

}  // namespace demix
