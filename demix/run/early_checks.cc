#include "demix/run/early_checks.h"

#include <numeric>

#include "demix/corpus/tokenizer.h"
#include "demix/run/models.h"
#include "demix/search/constraints.h"
#include "demix/search/search.h"

namespace demix {

void check_before_work(const RunConfig& config,
                       const Tokenizer& tokenizer,
                       const std::vector<ScoredMetric>& metrics) {
  check_names(config.search, objective_of(metrics), config.dataset_names());
  const Architecture architecture = run_architecture(config, tokenizer.vocabulary_size());
  if (!config.base.import.empty()) check_fits("base", config.base.import, architecture, config);
  for (const auto& [name, folder] : config.components.import)
    check_fits("components/" + name, folder, architecture, config);
  for (const auto& [name, reference] : config.validate.import)
    check_fits("references/" + name, reference.folder, architecture, config);

  ConstraintConfig alone = config.search.constraints;
  alone.max_times_prior = alone.max_epochs = 0;
  const Composition composition = composition_of(config);
  const size_t components = composition.components().size();
  const std::vector<double> prior(components, 1.0 / static_cast<double>(components));
  FeasibleSet(composition, share_constraints(alone, composition, prior, {}, 0));
}

void check_constraints(const RunConfig& config, std::span<const int64_t> dataset_tokens) {
  const Composition composition = composition_of(config);
  std::vector<double> prior(dataset_tokens.begin(), dataset_tokens.end());
  const double sum = std::accumulate(prior.begin(), prior.end(), 0.0);
  for (double& weight : prior) weight /= sum;
  FeasibleSet(composition,
              share_constraints(config.search.constraints,
                                composition,
                                prior,
                                dataset_tokens,
                                config.target_tokens.value_or(0)));
}

}  // namespace demix
