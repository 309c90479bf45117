// The search of the paper: propose mixtures, evaluate their proxies, fit a predictor, narrow,
// repeat; then average the best predicted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/core/mixture.h"
#include "demix/search/constraints.h"
#include "demix/search/objective.h"
#include "demix/search/predictor.h"
#include "demix/search/sampler.h"

namespace demix {

struct SearchConfig {
  int rounds = 3;
  int proxies = 128;  // of the first round; each later round has half as many as the one before
  int64_t candidates = 200000;  // random mixtures whose scores are predicted
  int64_t propose_from = 1280;  // the next round draws its mixtures from this many best predicted
  int64_t average_of = 1280;    // the result is the mean of this many best predicted
  std::string predictor = "auto";  // by cross-validation, or the name of one
  SamplerConfig sampler;
  ConstraintConfig constraints;
  PredictorConfig predictors;

  template <class V>
  void visit(V& v) {
    v("rounds", rounds);
    v("proxies", proxies);
    v("candidates", candidates);
    v("propose_from", propose_from);
    v("average_of", average_of);
    v("predictor", predictor);
    v("sampler", sampler);
    v("constraints", constraints);
    v("predictors", predictors);
  }
  void check() const;
  // Proxies of each round: n, n/2, n/4, …, at least one.
  std::vector<int64_t> proxies_per_round() const;
  int64_t total_proxies() const;
};

// Measures the proxies of a batch of merge weights, one result per mixture, in order. May return
// results that it had kept from an earlier run.
using EvaluateProxies = std::function<std::vector<Measurements>(std::span<const Mixture>)>;

struct SearchProblem {
  Composition composition;
  std::vector<Metric> metrics;
  std::vector<double> prior;  // over components, such as token counts; need not sum to one
  std::vector<int64_t>
      dataset_tokens;        // for max_epochs, in the order of the datasets; may be empty
  double target_tokens = 0;  // for max_epochs
  uint64_t seed = 0;
};

// One proxy, in the order in which they were evaluated.
struct EvaluatedMixture {
  int round = 0;  // from 0
  std::vector<double> merge_weights, data_shares;
  std::vector<Measurement> metrics;                  // as measured, in the problem's order
  std::vector<double> domain_scores, domain_errors;  // oriented; by domain
  double objective = 0;  // mean percentile rank among all evaluated of the search
  // By the predictors that proposed it, before it was evaluated; empty in round 0.
  std::vector<double> predicted_domain_scores;
  // Percentile rank among the candidates of its round.
  std::optional<double> predicted_objective;
};

// How well one predictor foretells one target in cross-validation.
struct PredictorTrial {
  std::string predictor;
  std::string target;  // a domain or a metric
  // No value with too few proxies; no correlation where one side is constant.
  std::optional<double> cv_spearman, cv_mae, cv_rmse;
  bool chosen = false;
};

struct Prediction {
  std::string metric;
  double value = 0;                      // in the metric's own unit
  std::optional<double> standard_error;  // root mean square of the cross-validation errors
};

struct SearchResult {
  std::vector<std::string> components, datasets, domains;
  std::vector<double> merge_weights;            // α of the found mixture
  std::vector<double> data_shares;              // p = αᵀC
  std::vector<Prediction> predicted;            // by metric
  std::vector<double> predicted_domain_scores;  // oriented
  std::vector<EvaluatedMixture> evaluated;
  std::vector<PredictorTrial> trials;  // of the last fit: domains, which steer, then metrics
  std::string choice;                  // in words: which predictors were used, and why
  std::vector<std::string> warnings;   // whole sentences
};

// Deterministic in (config, problem, what `evaluate` returns). Throws Error on bad settings,
// constraints that cannot hold, and scores that are missing or not finite.
SearchResult search_mixture(const SearchConfig& config,
                            const SearchProblem& problem,
                            const EvaluateProxies& evaluate);

}  // namespace demix
