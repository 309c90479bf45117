// What the stages of a run share.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "demix/core/mixture.h"
#include "demix/corpus/tokenizer.h"
#include "demix/report/result.h"
#include "demix/run/coordinator.h"
#include "demix/run/datasets.h"
#include "demix/run/evaluation.h"
#include "demix/run/model_scorer.h"
#include "demix/run/models.h"
#include "demix/run/proxies.h"
#include "demix/run/score_sheet.h"
#include "demix/run/workspace.h"

namespace demix {

struct RunState {
  RunState(RunConfig configuration, const std::filesystem::path& out);
  RunState(const RunState&) = delete;
  RunState& operator=(const RunState&) = delete;

  // Of each dataset; after the corpus stage.
  std::vector<int64_t> dataset_tokens() const;

  // Known before any work.
  Workspace workspace;
  std::optional<Coordinator> coordinator;
  const RunConfig& config;
  const std::vector<std::string> names;  // of the datasets, as everything by dataset is ordered
  const Tokenizer tokenizer;
  const std::vector<Task> tasks;
  const ScoreSheet sheet;
  const ProxyKind proxy_kind;
  const Composition composition;

  // Each stage fills in its part: corpus, …
  std::map<std::string, DatasetShards> datasets;
  // … training, …
  std::unique_ptr<Models> models;
  std::vector<ModelFacts> components;
  std::map<std::string, ModelFacts> imported_references;  // by name
  std::optional<Evaluation> evaluation;
  std::optional<ModelScorer> model_scorer;
  std::optional<Proxies> proxies;
  // … and all of them.
  RunResult result;
};

}  // namespace demix
