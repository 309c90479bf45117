// What a search makes large, from its configuration: the domains' weights, and the floors.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "demix/search/prediction_goal.h"
#include "demix/search/search.h"

namespace demix {

// A domain or a metric that a predictor was fitted to, with the proxies' scores and what it says of
// them.
struct Learned {
  const Predictor* predictor;
  std::vector<double> scores, predicted;
};

// Standard deviation of the measured scores of random mixtures: what is predicted of them varies,
// and what the predictions leave of the proxies' scores (as mean square) varies on top of it. The
// proxies' own deviation would do where they are random; those of later rounds are not.
double deviation_over(std::span<const double> candidate_scores, const Learned& learned);

class SearchGoal {
 public:
  // `prior` are merge weights. Throws Error on names that are not there.
  SearchGoal(const SearchConfig& config,
             const Objective& objective,
             const Composition& composition,
             std::span<const double> prior);

  // The paper's objective, exact only among candidates: no weights, no floors.
  bool plain_rank() const { return plain_rank_; }
  // The metrics, by their place, whose predictions have a floor.
  const std::vector<size_t>& metrics_with_floors() const { return metrics_with_floors_; }
  // Merge weights of the mixture that floors are relative to: the current one, else the prior's.
  std::span<const double> base() const { return base_.row(0); }

  // One term per domain, then one per metric with a floor. `candidate_scores` are the predictions
  // that ranks and deviations are taken over, by domain.
  std::vector<GoalTerm> terms(std::span<const Learned> domains,
                              std::span<const Learned> floors,
                              std::span<const std::vector<double>> candidate_scores) const;

 private:
  void set_floor(GoalTerm& term) const;

  const SearchConfig& config_;
  const Objective& objective_;
  bool plain_rank_;
  std::vector<double> weights_;  // by domain, sum one
  std::vector<size_t> metrics_with_floors_;
  Points base_;  // the mixture that floors are relative to
};

}  // namespace demix
