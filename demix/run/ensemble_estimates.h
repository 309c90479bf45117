// What ensembles of the components say of mixtures, beside what those of the components as they
// were on the way say.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/run/state.h"

namespace demix {

// Oriented scores of the same mixtures on the items that the search selects by, [domain][mixture].
struct EnsembleEstimates {
  std::vector<std::vector<double>> whole;  // of a run of merges empty where nothing is early
  std::vector<std::vector<double>> early;  // empty: not known
  double early_share = 0;                  // of the components' tokens that these were trained on
  std::string why_not_early;               // a sentence, where that is worth one
};

// Nothing where ensembles do not have all scores. Journaled, as proxies are not: a run that is
// resumed reads no model again.
std::optional<EnsembleEstimates> ensemble_estimates(
    RunState& run, std::span<const std::vector<double>> merge_weights);

}  // namespace demix
