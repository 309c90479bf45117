// Which benchmark items stand in the datasets' training text (demix/evaluate/overlap.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "demix/report/result.h"
#include "demix/run/datasets.h"
#include "demix/run/workspace.h"

namespace demix {

class Tokenizer;

// By task of the configuration. Reads all training text, once: journaled by its hash and the
// tasks'.
std::vector<OverlapFacts> find_overlaps(Workspace& workspace,
                                        const std::map<std::string, DatasetShards>& datasets,
                                        const Tokenizer& tokenizer);

// One sentence for each dataset that holds so much of a task that its scores mean something else.
std::vector<std::string> warnings_of(const std::vector<OverlapFacts>& overlaps,
                                     const std::vector<std::string>& datasets);

}  // namespace demix
