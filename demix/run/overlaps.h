// What the datasets' training text has in common with benchmarks (demix/evaluate/overlap.h) and
// with one another.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "demix/evaluate/task.h"
#include "demix/report/result.h"
#include "demix/run/datasets.h"
#include "demix/run/workspace.h"

namespace demix {

class Tokenizer;

// By task; `tasks` are the configuration's. Reads all training text, once: journaled by its hash
// and the tasks'.
std::vector<OverlapFacts> find_overlaps(Workspace& workspace,
                                        const std::vector<Task>& tasks,
                                        const std::map<std::string, DatasetShards>& datasets,
                                        const Tokenizer& tokenizer);

// Pairs of datasets with documents in common, token for token; journaled by their hashes.
std::vector<SharedFacts> find_shared_documents(
    Workspace& workspace, const std::map<std::string, DatasetShards>& datasets);

// One sentence for each dataset that holds so much of a task that its scores mean something else.
std::vector<std::string> warnings_of(const std::vector<OverlapFacts>& overlaps,
                                     const std::vector<std::string>& datasets);
// One text for all pairs that share so much of either that weight on one is weight on the other,
// with the worst by name.
std::vector<std::string> warnings_of(const std::vector<SharedFacts>& shared,
                                     const std::map<std::string, DatasetShards>& datasets);

}  // namespace demix
