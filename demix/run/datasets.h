// The run's datasets: text to shards, once.
#pragma once

#include <map>
#include <string>

#include "demix/corpus/corpus.h"
#include "demix/corpus/shard.h"
#include "demix/run/workspace.h"

namespace demix {

class Tokenizer;

// A dataset's shards as the corpus stage left them.
struct DatasetShards {
  DatasetSummary summary;
  Shard train, held_out;
};

// All datasets of the configuration, by name; those in the journal whose folder is still there are
// only opened.
std::map<std::string, DatasetShards> prepare_datasets(Workspace& workspace,
                                                      const Tokenizer& tokenizer);

}  // namespace demix
