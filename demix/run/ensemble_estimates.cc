#include "demix/run/ensemble_estimates.h"

#include <functional>
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

// By the experts, unless the journal has them under this key.
DomainValues estimates(RunState& run,
                       const std::string& key,
                       std::span<const ProxyRequest> requests,
                       const std::function<DomainValues()>& made) {
  Journal& journal = run.workspace.journal();
  if (const auto known = journal.find("estimates", key)) return known->get<DomainValues>();
  const DomainValues values = made();
  journal.put("estimates", key, fmt::format("{} ensembles", requests.size()), values);
  return values;
}

DomainValues mixed(const RunState& run,
                   const Experts& experts,
                   std::span<const ProxyRequest> requests) {
  DomainValues values(run.sheet.domains().size());
  for (const ProxyRequest& request : requests) {
    const Scores scores =
        run.evaluation->scorer(request.items).mixed_score(experts, request.merge_weights);
    const ModelScores summed = run.sheet.of(scores, request.name);
    for (size_t d = 0; d < values.size(); ++d) values[d].push_back(summed.domains[d].value);
  }
  return values;
}

// As they were on the way. Empty where that is not known of all of them, or not to be.
std::vector<ModelFacts> early_components(RunState& run, std::string& why_not) {
  std::vector<ModelFacts> early;
  if (run.config.components.keep_early == 0) return early;
  for (size_t k = 0; k < run.components.size(); ++k) {
    auto on_the_way = run.models->early(run.components[k]);
    if (!on_the_way) {
      why_not = fmt::format(
          "Whether the components were trained long enough is not known: of that of {} there are "
          "no "
          "weights on the way.",
          run.names[k]);
      return {};
    }
    early.push_back(std::move(*on_the_way));
  }
  return early;
}

// Whether they are still what they were.
bool are_intact(const RunState& run, std::span<const ModelFacts> components) {
  for (const ModelFacts& component : components) {
    const std::string damage = run.models->damage_of(component);
    if (damage.empty()) continue;
    warn(fmt::format("{} {}, and is not used.", component.folder.string(), damage));
    return false;
  }
  return true;
}

double tokens_of(std::span<const ModelFacts> components) {
  double tokens = 0;
  for (const ModelFacts& component : components)
    tokens += static_cast<double>(component.result.tokens);
  return tokens;
}

}  // namespace

std::optional<EnsembleEstimates> ensemble_estimates(
    RunState& run, std::span<const std::vector<double>> merge_weights) {
  if (beyond_ensembles(run.sheet.metrics(), run.tasks)) return std::nullopt;
  std::vector<ProxyRequest> requests;
  for (const std::vector<double>& weights : merge_weights)
    requests.push_back(selection_request(weights, "an ensemble of components"));
  const std::string key = run.proxies->key_of(ProxyKind::kEnsemble, requests);
  EnsembleEstimates result;
  const std::vector<ModelFacts> early = early_components(run, result.why_not_early);
  // Of merges nothing but the comparison asks for them.
  if (run.proxy_kind == ProxyKind::kMerged && early.empty()) return result;
  result.whole = estimates(run, key, requests, [&] {
    return mixed(run, run.proxies->experts(Items::kSelection), requests);
  });
  if (early.empty()) return result;
  Hasher hasher;
  for (const ModelFacts& component : early) hasher.field(component.weights_hash);
  const std::string early_key = hasher.field(key).hex();
  if (!run.workspace.journal().find("estimates", early_key) && !are_intact(run, early))
    return result;
  result.early = estimates(run, early_key, requests, [&] {
    return mixed(run,
                 run.evaluation->read_experts(early, Items::kSelection, "read early components"),
                 requests);
  });
  result.early_share = tokens_of(early) / tokens_of(run.components);
  return result;
}

}  // namespace demix
