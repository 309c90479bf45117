// Which direction of a swarm's metrics is better: as the user says, else by names and by values.
#pragma once

#include <string>
#include <vector>

#include "demix/search/swarm_csv.h"

namespace demix {

struct SwarmDirections {
  std::vector<bool> higher_is_better;  // by metric
  std::vector<bool> told;              // by metric: the user said it
  std::vector<bool> by_values;         // by metric: neither was it said nor is it in the name
  std::vector<std::string> warnings;   // whole sentences: what was taken, why, how to change it
};

// `higher` and `lower` name metrics, patterns of their names with * and ?, or "all"; a name goes
// before a pattern, a pattern before "all". Metrics whose names say nothing are taken to be of one
// kind: accuracies where all their values lie in [0, 1] or look like percentages, or where some are
// negative; else losses. A loss that is negated, by its name or since all its values are negative,
// is higher-is-better. Throws Error on entries that no metric matches and on contradictions.
SwarmDirections swarm_directions(const Swarm& swarm,
                                 const std::vector<std::string>& higher,
                                 const std::vector<std::string>& lower);

}  // namespace demix
