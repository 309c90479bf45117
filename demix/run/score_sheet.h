// What of a model's scores counts in a run: by metric and, oriented, by domain.
#pragma once

#include <string>
#include <vector>

#include "demix/report/result.h"
#include "demix/run/metrics.h"

namespace demix {

class ScoreSheet {
 public:
  explicit ScoreSheet(std::vector<ScoredMetric> metrics);

  const std::vector<ScoredMetric>& metrics() const { return metrics_; }
  const Objective& objective() const { return objective_; }
  const std::vector<std::string>& domains() const { return objective_.domains(); }

  // Throws Error, naming the model, where a metric has no score.
  ModelScores of(const Scores& scores, const std::string& model) const;

  // What each item adds to the scores of a model, and these.
  struct Itemised {
    const TermsByMetric& terms;
    const ModelScores& scores;
  };
  // b − a on the same items. Where a command gives a score without its items the two scores are
  // taken as independent.
  ModelScores gain(const Itemised& a, const Itemised& b) const;

  // The metrics of which there are no items.
  std::vector<std::string> without_items(const TermsByMetric& terms) const;

 private:
  ModelScores filled(const Measurements& measurements, const std::string& model) const;

  std::vector<ScoredMetric> metrics_;
  Objective objective_;
};

}  // namespace demix
