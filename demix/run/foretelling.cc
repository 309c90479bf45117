#include "demix/run/foretelling.h"

#include "demix/run/references.h"

namespace demix {

ProxyRequest selection_request(std::vector<double> merge_weights, std::string name) {
  ProxyRequest request{std::move(merge_weights), std::move(name)};
  request.items = Items::kSelection;
  return request;
}

Foretelling::Foretelling(Sources sources,
                         ProxyKind kind,
                         bool both_kinds,
                         std::vector<std::vector<Score>> components)
    : sources_(sources), kind_(kind), both_kinds_(both_kinds), components_(std::move(components)) {}

std::vector<Score> Foretelling::interpolation(std::span<const double> merge_weights) const {
  return interpolated_scores(merge_weights, components_);
}

std::vector<ProxyRequest> Foretelling::requests_of(std::span<const MixtureFacts> mixtures,
                                                   std::vector<size_t>& places) {
  std::vector<ProxyRequest> requests;
  for (size_t i = 0; i < mixtures.size(); ++i) {
    if (mixtures[i].merge_weights.empty()) continue;
    requests.push_back({mixtures[i].merge_weights, "the proxy of " + mixtures[i].name});
    places.push_back(i);
  }
  return requests;
}

void Foretelling::foretell(std::span<MixtureFacts> mixtures,
                           std::map<std::string, TermsByMetric>* terms) const {
  std::vector<size_t> places;
  std::vector<ProxyRequest> requests = requests_of(mixtures, places);
  if (terms) {
    for (size_t i = 0; i < requests.size(); ++i)
      requests[i].terms = &(*terms)[mixtures[places[i]].name];
  }
  const std::vector<Scores> scores = score(requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    MixtureFacts& facts = mixtures[places[i]];
    facts.proxy = sources_.sheet.of(scores[i], requests[i].name);
    facts.interpolation = interpolation(facts.merge_weights);
  }
  for (MixtureFacts& facts : mixtures)
    facts.own_share = own_shares(facts.mixture, sources_.datasets, sources_.domains);
}

void Foretelling::foretell_other_kind(std::span<MixtureFacts> mixtures) const {
  if (!both_kinds_) return;
  std::vector<size_t> places;
  const std::vector<ProxyRequest> requests = requests_of(mixtures, places);
  const ProxyKind other = kind_ == ProxyKind::kMerged ? ProxyKind::kEnsemble : ProxyKind::kMerged;
  const std::vector<Scores> scores = sources_.proxies.score(other, requests);
  for (size_t i = 0; i < requests.size(); ++i)
    mixtures[places[i]].other_proxy = sources_.sheet.of(scores[i], requests[i].name).domains;
}

std::vector<Scores> Foretelling::score(std::span<const ProxyRequest> requests) const {
  return sources_.proxies.score(kind_, requests);
}

std::vector<EstimatedMixture> Foretelling::estimated(std::span<const ProxyRequest> requests,
                                                     const std::vector<Scores>& scores) const {
  std::vector<EstimatedMixture> mixtures;
  for (size_t i = 0; i < requests.size(); ++i) {
    MixtureFacts facts;
    facts.mixture = sources_.composition.data_shares(requests[i].merge_weights);
    facts.proxy = sources_.sheet.of(scores[i], requests[i].name);
    facts.interpolation = interpolation(requests[i].merge_weights);
    facts.own_share = own_shares(facts.mixture, sources_.datasets, sources_.domains);
    mixtures.push_back(demix::estimated(facts));
  }
  return mixtures;
}

}  // namespace demix
