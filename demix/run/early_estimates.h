// What ensembles of the components as they were on the way say of mixtures, beside what those of
// the whole components say.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "demix/run/state.h"

namespace demix {

struct EarlyEstimates {
  double share = 0;  // of the components' tokens that had been trained on
  // Oriented scores of the same mixtures, [domain][mixture].
  std::vector<std::vector<double>> early, whole;
};

// On the items that the search selects by. Nothing where some component was not kept on the way
// (components.keep_early), or where ensembles do not have all scores.
std::optional<EarlyEstimates> early_estimates(RunState& run,
                                              std::span<const std::vector<double>> merge_weights);

}  // namespace demix
