// What can be said of a mixture before a model is trained on it: by its proxy, by the components'
// own scores, and by its data alone.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "demix/core/mixture.h"
#include "demix/run/proxies.h"
#include "demix/run/score_sheet.h"
#include "demix/validate/calibration.h"

namespace demix {

// Of a proxy on the items that the search selects by.
ProxyRequest selection_request(std::vector<double> merge_weights, std::string name);

class Foretelling {
 public:
  // What it refers to outlives it.
  struct Sources {
    Proxies& proxies;
    const ScoreSheet& sheet;
    const Composition& composition;
    const std::vector<DatasetFacts>& datasets;
    const std::vector<DomainFacts>& domains;
  };
  // `components`: the scores of each by domain. `both_kinds`: whether proxies of the other kind
  // than the run's have all the scores that count.
  Foretelling(Sources sources,
              ProxyKind kind,
              bool both_kinds,
              std::vector<std::vector<Score>> components);

  std::vector<Score> interpolation(std::span<const double> merge_weights) const;

  // Fills in proxy, interpolation and own share; of mixtures without merge weights own share
  // alone. `terms`, if not null, receives by name what each item adds to the proxies' scores.
  void foretell(std::span<MixtureFacts> mixtures,
                std::map<std::string, TermsByMetric>* terms = nullptr) const;
  // Fills in other_proxy, where there is one.
  void foretell_other_kind(std::span<MixtureFacts> mixtures) const;

  // Of proxies of the run's kind.
  std::vector<Scores> score(std::span<const ProxyRequest> requests) const;
  // What calibrations learn from and foretell by, of proxies with these scores.
  std::vector<EstimatedMixture> estimated(std::span<const ProxyRequest> requests,
                                          const std::vector<Scores>& scores) const;

 private:
  // Those with merge weights, and where each stands.
  static std::vector<ProxyRequest> requests_of(std::span<const MixtureFacts> mixtures,
                                               std::vector<size_t>& places);

  Sources sources_;
  ProxyKind kind_;
  bool both_kinds_;
  std::vector<std::vector<Score>> components_;
};

}  // namespace demix
