// Scores of the run's models.
#pragma once

#include <functional>
#include <span>

#include "demix/run/evaluation.h"
#include "demix/run/models.h"
#include "demix/run/score_book.h"
#include "demix/run/workspace.h"

namespace demix {

// Each model is scored on all items, once by the run and its workers together.
class ModelScorer {
 public:
  // What it refers to outlives it.
  ModelScorer(Workspace& workspace, const Evaluation& evaluation);

  // `terms`, unless null, receives what each item adds to each metric, for paired differences.
  Scores score(const ModelFacts& model, TermsByMetric* terms = nullptr);
  // Has the run's workers, if there are any, and this process score those whose scores `score`
  // would have to make, so that it finds them. `with_terms`: as it will be asked for terms. `done`
  // is called after each.
  void share(std::span<const ModelFacts> models,
             bool with_terms,
             const std::function<void()>& done);

 private:
  std::string key_of(const ModelFacts& model) const;

  Workspace& workspace_;
  const Evaluation& evaluation_;
  ScoreBook book_;
};

}  // namespace demix
