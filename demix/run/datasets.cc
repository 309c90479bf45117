#include "demix/run/datasets.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"

namespace demix {
namespace {

// Whether the run reads the held-out text of `dataset`: always, but where a command of the user's
// gives the scores only if a domain names it.
bool is_scored(const EvaluateConfig& evaluate, const std::string& dataset) {
  if (evaluate.command.empty()) return true;
  return std::any_of(evaluate.domains.begin(), evaluate.domains.end(), [&](const auto& domain) {
    const std::vector<std::string>& scores = domain.second;
    return std::any_of(scores.begin(), scores.end(), [&](const std::string& score) {
      return score == "held_out/" + dataset || score.starts_with("held_out/" + dataset + ":");
    });
  });
}

// What scoring would find out when all components are trained.
void check_held_out(const RunConfig& config, const std::map<std::string, DatasetShards>& datasets) {
  for (const std::string& name : held_out_datasets(config)) {
    const DatasetShards& shards = datasets.at(name);
    if (shards.held_out.documents() > 0 || !is_scored(config.evaluate, name)) continue;
    throw Error(
        "dataset '{}': no text is held out to be scored: {}. {} leave the dataset out of "
        "evaluate.held_out",
        name,
        config.corpus.held_out == 0 ? "corpus.held_out is 0"
                                    : "it has only one document, which is for training",
        config.corpus.held_out == 0 ? "Raise that, or" : "Give it more documents, or");
  }
}

}  // namespace

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
  check_held_out(workspace.config(), datasets);
  return datasets;
}

}  // namespace demix
