#include "demix/run/model_scorer.h"

#include <nlohmann/json.hpp>

#include "demix/core/hash.h"
#include "demix/model/weights.h"
#include "demix/run/coordinator.h"
#include "demix/run/worker.h"

namespace demix {

ModelScorer::ModelScorer(Workspace& workspace, const Evaluation& evaluation)
    : workspace_(workspace), evaluation_(evaluation), book_(workspace.journal()) {}

std::string ModelScorer::key_of(const ModelFacts& model) const {
  return Hasher()
      .field("model")
      .field(model.weights_hash)
      .field(workspace_.config().evaluate.dtype)
      .field(evaluation_.hash(Items::kAll))
      .hex();
}

Scores ModelScorer::score(const ModelFacts& model, TermsByMetric* terms) {
  const ScoreEntry entry{
      .key = key_of(model), .name = model.name, .items = evaluation_.scorer(Items::kAll).items()};
  return book_.find_or(entry, terms, [&](TermsByMetric* its_terms, ScoreJournal& items) {
    return evaluation_.score(
        evaluation_.weights_of(model), model.name, Items::kAll, its_terms, items, std::nullopt);
  });
}

void ModelScorer::share(std::span<const ModelFacts> models,
                        bool with_terms,
                        const std::function<void()>& done) {
  if (!workspace_.coordinator()) return;
  std::vector<Unit> units;
  for (const ModelFacts& model : models) {
    const auto is_recorded = [this, key = key_of(model), with_terms] {
      return book_.has(key, with_terms);
    };
    if (is_recorded()) continue;
    const auto here = [this, &model, with_terms] {
      TermsByMetric terms;
      score(model, with_terms ? &terms : nullptr);
    };
    units.push_back({.name = model.name,
                     .job = scoring_job(model, with_terms),
                     .here = here,
                     .is_recorded = is_recorded});
  }
  do_all(workspace_.coordinator(), units, 1, [&](size_t) { done(); });
}

}  // namespace demix
