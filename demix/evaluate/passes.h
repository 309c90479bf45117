// Runs planned passes through a model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "demix/evaluate/plan.h"
#include "demix/model/decoder.h"

namespace demix {

class Progress;

// On the CPU every product has this many rows, the last one padded: a row of such a product does
// not depend on the other rows.
constexpr int64_t kTileRows = 256;
// The same for the output projection, whose rows are fewer.
constexpr int64_t kHeadTileRows = 64;

// Rows per pass so that passes of about `rows_wanted` rows keep all threads busy with `total_rows`.
int64_t rows_per_pass(int64_t rows_wanted, int64_t total_rows, bool on_cpu);

// Sums of log-likelihoods, one for each of `slots` slots; a slot may occur in one pass only. On the
// CPU, in float32 and bfloat16, threads take whole passes and a slot's value does not depend
// bitwise on anything but its own sequence. Elsewhere, only up to rounding. `progress`, if not
// null, counts rows.
std::vector<double> log_likelihoods(std::span<const Pass> passes,
                                    int64_t slots,
                                    const Decoder& decoder,
                                    const Weights& weights,
                                    Progress* progress);

}  // namespace demix
