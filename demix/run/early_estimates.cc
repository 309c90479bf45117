#include "demix/run/early_estimates.h"

#include <nlohmann/json.hpp>

#include "demix/core/hash.h"
#include "demix/core/progress.h"
#include "demix/evaluate/experts.h"
#include "demix/evaluate/scorer.h"
#include "demix/run/foretelling.h"
#include "demix/run/metrics.h"

namespace demix {
namespace {

using DomainValues = std::vector<std::vector<double>>;  // [domain][mixture]

DomainValues domain_values(const ScoreSheet& sheet,
                           std::span<const Scores> scores,
                           std::span<const ProxyRequest> requests) {
  DomainValues values(sheet.domains().size());
  for (size_t i = 0; i < scores.size(); ++i) {
    const ModelScores summed = sheet.of(scores[i], requests[i].name);
    for (size_t d = 0; d < values.size(); ++d) values[d].push_back(summed.domains[d].value);
  }
  return values;
}

// Nothing where the weights of one are not those that were kept.
std::optional<DomainValues> of_early_components(RunState& run,
                                                std::span<const ModelFacts> components,
                                                std::span<const ProxyRequest> requests) {
  Hasher hasher;
  for (const ModelFacts& component : components) hasher.field(component.weights_hash);
  hasher.field(run.proxies->key_of(ProxyKind::kEnsemble, requests));
  const std::string key = hasher.hex();
  Journal& journal = run.workspace.journal();
  if (const auto known = journal.find("early estimates", key)) return known->get<DomainValues>();

  for (const ModelFacts& component : components) {
    const std::string damage = run.models->damage_of(component);
    if (damage.empty()) continue;
    warn(fmt::format("{} {}, and is not used.", component.folder.string(), damage));
    return std::nullopt;
  }
  const Experts experts =
      run.evaluation->read_experts(components, Items::kSelection, "read early components");
  std::vector<Scores> scores;
  for (const ProxyRequest& request : requests)
    scores.push_back(
        run.evaluation->scorer(Items::kSelection).mixed_score(experts, request.merge_weights));
  const DomainValues values = domain_values(run.sheet, scores, requests);
  journal.put("early estimates", key, "", values);
  return values;
}

}  // namespace

std::optional<EarlyEstimates> early_estimates(RunState& run,
                                              std::span<const std::vector<double>> merge_weights) {
  if (beyond_ensembles(run.sheet.metrics(), run.tasks)) return std::nullopt;
  std::vector<ModelFacts> components;
  int64_t early = 0, whole = 0;
  for (const ModelFacts& component : run.components) {
    auto on_the_way = run.models->early(component);
    if (!on_the_way) return std::nullopt;
    early += on_the_way->result.tokens;
    whole += component.result.tokens;
    components.push_back(std::move(*on_the_way));
  }
  std::vector<ProxyRequest> requests;
  for (const std::vector<double>& weights : merge_weights)
    requests.push_back(selection_request(weights, "an ensemble of components"));
  const auto of_early = of_early_components(run, components, requests);
  if (!of_early) return std::nullopt;
  EarlyEstimates estimates;
  estimates.share = static_cast<double>(early) / static_cast<double>(whole);
  estimates.early = *of_early;
  estimates.whole =
      domain_values(run.sheet, run.proxies->score(ProxyKind::kEnsemble, requests), requests);
  return estimates;
}

}  // namespace demix
