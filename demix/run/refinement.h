// Decides by what trained references lead to expect of mixtures (validate.refine), instead of by
// what their proxies score.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/run/foretelling.h"
#include "demix/run/run_config.h"
#include "demix/search/search.h"

namespace demix {

// What models scored on the items that the search selects by: values by name and domain.
using SelectedScores = std::map<std::string, std::vector<double>>;

// Whether it can teach: trained, with a proxy.
bool teaches(const MixtureFacts& facts);

class Refinement {
 public:
  // What it refers to outlives it.
  Refinement(const SearchConfig& search,
             SearchProblem problem,
             const Foretelling& foretelling,
             const ScoreSheet& sheet);

  // Learns anew, from those of the references that teach, at least three. Where one of them was
  // not scored by item here, all of their scores count as they are.
  void learn(const std::vector<MixtureFacts>& references, const SelectedScores& selected);

  // The mixture of which most is expected, with caution: a search whose proxies count as what they
  // lead to expect, less a standard deviation of what the references leave unknown.
  SearchResult place() const;

  // Which of these is expected to be the best: the sum over domains, by search.weights,
  // in standard deviations of what was learned from. Not empty.
  size_t best_of(const std::vector<const MixtureFacts*>& mixtures) const;

 private:
  double weight_of(const std::string& domain) const;

  SearchConfig config_;
  SearchProblem problem_;
  const Foretelling& foretelling_;
  const ScoreSheet& sheet_;
  std::optional<DomainCalibrations> calibrations_;
  std::vector<double> goal_weights_;  // by domain, per unit of its score
};

}  // namespace demix
