// What all experiments of a study share: its folder, datasets, base, and how models are scored.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/corpus/tokenizer.h"
#include "demix/report/result.h"
#include "demix/run/coordinator.h"
#include "demix/run/evaluation.h"
#include "demix/run/model_scorer.h"
#include "demix/run/models.h"
#include "demix/run/proxies.h"
#include "demix/run/score_sheet.h"
#include "demix/run/workspace.h"
#include "demix/study/study_config.h"

namespace demix {

class StudyContext {
 public:
  // Prepares the datasets and trains or imports the base. Throws Error, before any training, on
  // what a run refuses then and on floors of anything but domains.
  StudyContext(StudyConfig config,
               const std::filesystem::path& out,
               const std::optional<Address>& listen);
  ~StudyContext();

  const StudyConfig& config() const { return config_; }
  Workspace& workspace() { return workspace_; }
  const std::vector<std::string>& datasets() const { return names_; }
  const std::vector<std::string>& domains() const { return sheet_.domains(); }
  Models& models() { return *models_; }
  Proxies& proxies() { return *proxies_; }

  // Whether ensembles have all the scores that count.
  bool has_ensembles() const { return beyond_ensembles(sheet_.metrics(), tasks_) == nullptr; }

  // Whether every domain has data of its own.
  bool has_own_shares() const;

  // Oriented, by domain. `model` names it in errors.
  std::vector<Score> domain_scores(const Scores& scores, const std::string& model) const {
    return sheet_.of(scores, model).domains;
  }
  // The same of models, in order, scored here and by the workers. `what` they are, for people.
  std::vector<std::vector<Score>> score_models(std::span<const ModelFacts> models,
                                               const std::string& what);
  // Of data shares: how much of the data is each domain's own; NaN where no dataset is.
  std::vector<Score> own_shares_of(const std::vector<double>& shares) const;
  // How references and decisions are trained.
  StageTraining reference_training() const;
  std::vector<int64_t> dataset_tokens() const;

 private:
  StudyConfig config_;
  Workspace workspace_;
  std::optional<Coordinator> coordinator_;
  const std::vector<std::string> names_;
  const Tokenizer tokenizer_;
  const std::vector<Task> tasks_;
  const ScoreSheet sheet_;
  std::map<std::string, DatasetShards> shards_;
  std::unique_ptr<Models> models_;
  std::optional<Evaluation> evaluation_;
  std::optional<ModelScorer> model_scorer_;
  std::optional<Proxies> proxies_;
};

}  // namespace demix
