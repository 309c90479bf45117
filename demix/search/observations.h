// The proxies that a search has measured.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "demix/search/objective.h"
#include "demix/search/points.h"
#include "demix/search/search.h"

namespace demix {

// In the order in which they were evaluated.
class Observations {
 public:
  // Refers to both.
  Observations(const Composition& composition, const Objective& objective)
      : composition_(composition),
        objective_(objective),
        mixtures_(composition.components().size()) {}

  // Throws Error, naming the proxy as `name`, on scores that are missing or not finite. What was
  // predicted of it is the caller's to fill in.
  EvaluatedMixture& add(int round,
                        std::span<const double> merge_weights,
                        const Measurements& measured,
                        const std::string& name);

  size_t size() const { return proxies_.size(); }
  const Points& mixtures() const { return mixtures_; }  // merge weights
  const std::vector<EvaluatedMixture>& proxies() const { return proxies_; }
  std::vector<double> domain_scores(size_t domain) const;
  std::vector<double> values_of_metric(size_t metric) const;

  // The proxies, each with its percentile rank among all.
  std::vector<EvaluatedMixture> ranked() const;

 private:
  const Composition& composition_;
  const Objective& objective_;
  Points mixtures_;
  std::vector<EvaluatedMixture> proxies_;
};

}  // namespace demix
