// What `demix fit` makes large: the weighted mean of what is predicted of the metrics, less
// kl · KL(p ‖ prior).
#pragma once

#include <span>
#include <vector>

#include "demix/search/fit_metrics.h"
#include "demix/search/prediction_goal.h"

namespace demix {

class FitGoal {
 public:
  // After learn_metrics; refers to all of them. `prior` sums to one. Floors are set, relative to
  // what is predicted of the prior.
  FitGoal(const FitConfig& config, std::vector<FitMetric>& metrics, std::span<const double> prior);

  // Metrics count by their ranks among these mixtures, as predicted, from now on.
  void rank_among(const Points& candidates);
  // Of the metrics that count or have a floor.
  std::vector<GoalTerm> terms() const;
  Goal goal() const;
  // KL(p ‖ prior) over the datasets that the prior has.
  double divergence(std::span<const double> p) const;

  const FitMetric& metric_of(const GoalTerm& term) const;
  // Standard deviation of one run's goal around its prediction: over cross-validation, or else what
  // the predictors expect at `here`.
  double error(const Swarm& swarm, std::span<const double> here) const;

 private:
  double divergence(std::span<const double> p, double scale, std::span<double> gradient) const;

  const FitConfig& config_;
  std::vector<FitMetric>& metrics_;
  std::span<const double> prior_;
};

}  // namespace demix
