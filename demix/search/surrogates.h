// What a search has learned: predictors fitted to the proxies so far, and the goal that is put
// together from what they predict.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/search/observations.h"
#include "demix/search/prediction_goal.h"
#include "demix/search/search_goal.h"
#include "demix/search/tournament.h"

namespace demix {

// One target (a domain or a metric) with the predictor that won on it.
struct FittedTarget {
  std::string name;
  Tournament tournament;
  size_t chosen = 0;
  std::optional<Evidence> evidence = {};  // that the predictor foretells, where that was looked at
  std::unique_ptr<Predictor> predictor;

  bool lacks_evidence() const { return evidence && !evidence->shown(); }
  const CrossValidation* cross_validation() const {
    return tournament.results.empty() ? nullptr : &tournament.results[chosen];
  }
};

// Whether the configuration lets predictors compete for a target.
bool compares_predictors(const SearchConfig& config);
// Without folds nothing is left out: no comparison, no calibrated errors.
FittedTarget fit_target(const SearchConfig& config,
                        const std::string& target,
                        const Points& mixtures,
                        const std::vector<double>& scores,
                        std::span<const int> folds);
// Takes the mean of the scores for the predictor of a target that lacks evidence, from the same
// folds as before. Whether that changed it.
bool settle_target(FittedTarget& fitted,
                   const Points& mixtures,
                   const std::vector<double>& scores,
                   std::span<const int> folds);

class Surrogates {
 public:
  // Refers to all of them.
  Surrogates(const SearchConfig& config,
             const Objective& objective,
             const SearchGoal& search_goal,
             const Observations& observations)
      : config_(config),
        objective_(objective),
        search_goal_(search_goal),
        observations_(observations) {}

  // Learns every domain's score, and the metrics with floors, from all proxies so far.
  void fit(std::vector<int> folds);
  // Where no domain has evidence each is its mean from now on. Whether that changed anything:
  // set_goal is due. Beside others weak evidence decides better than none.
  bool settle();
  // Sets the goal, whose ranks and deviations are taken over these mixtures, and gives its value at
  // each: -infinity where a floor is broken. After fit.
  std::vector<double> set_goal(const Points& candidates);

  bool empty() const { return domains_.empty(); }  // before fit
  const std::vector<FittedTarget>& domains() const { return domains_; }
  const std::vector<FittedTarget>& metrics_with_floors() const { return floors_; }
  // By domain, then by mixture.
  std::vector<std::vector<double>> predict(const Points& mixtures) const;

  // Merge weights of the mixture that floors are relative to.
  std::span<const double> base() const { return search_goal_.base(); }
  // Whether set_goal's values are mean percentile ranks.
  bool ranks_plainly() const { return search_goal_.plain_rank(); }

  // After set_goal.
  const Goal& goal() const { return goal_; }
  // One per domain, then one per metric with a floor.
  std::span<const GoalTerm> terms() const { return terms_; }
  // Of the goal; -infinity where a floor is broken.
  std::vector<GoalForecast> forecast(const Points& mixtures) const;
  // The goal by measured scores, of whatever domains count.
  double measured_goal(std::span<const double> domain_scores) const;
  // Share of the candidates that are predicted no better than `score` on this domain.
  double percentile_among_candidates(size_t domain, double score) const;

 private:
  Learned learned(const FittedTarget& fitted, std::vector<double> scores) const;

  const SearchConfig& config_;
  const Objective& objective_;
  const SearchGoal& search_goal_;
  const Observations& observations_;
  std::vector<int> folds_;
  std::vector<FittedTarget> domains_, floors_;
  std::vector<std::vector<double>> candidate_scores_;  // by domain, then candidate
  std::vector<GoalTerm> terms_;
  Goal goal_;
};

}  // namespace demix
