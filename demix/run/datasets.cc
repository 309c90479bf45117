#include "demix/run/datasets.h"

#include <nlohmann/json.hpp>

#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"

namespace demix {

std::map<std::string, DatasetShards> prepare_datasets(Workspace& workspace,
                                                      const Tokenizer& tokenizer) {
  StageClock clock(workspace.journal(), "corpus");
  std::map<std::string, DatasetShards> datasets;
  for (const auto& [name, config] : workspace.config().datasets) {
    const CorpusConfig& corpus = workspace.config().corpus;
    const std::filesystem::path folder = workspace.folder() / "corpus" / name;
    const std::string key = dataset_key(name, config, corpus, tokenizer);
    DatasetShards shards;
    const auto found = workspace.journal().find("dataset", key);
    if (found && std::filesystem::exists(folder)) {
      shards.summary = found->get<DatasetSummary>();
    } else {
      Progress progress("corpus " + name, 0, "bytes");
      shards.summary = build_dataset(name, config, corpus, tokenizer, folder, progress);
      workspace.journal().put("dataset", key, name, shards.summary);
    }
    shards.train = Shard::open(folder / "train");
    shards.held_out = Shard::open(folder / "held_out");
    datasets.emplace(name, std::move(shards));
    clock.lap();
  }
  return datasets;
}

}  // namespace demix
