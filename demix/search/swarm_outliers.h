// Scores of a swarm that stand so far from the others that the run may have diverged.
#pragma once

#include <string>
#include <vector>

#include "demix/search/swarm_csv.h"

namespace demix {

// A sentence for each such run, of the first few; `file` holds the scores. A score stands apart
// where it is more than ten robust standard deviations from the median (but no less than a fifth of
// it) and twice as far as any that is nearer, in logarithms too where all are above zero. Nothing
// is said of fewer than eight runs, nor of metrics where more than one run in twenty stands apart:
// their scores are merely spread so.
std::vector<std::string> outlier_warnings(const Swarm& swarm, const std::string& file);

}  // namespace demix
