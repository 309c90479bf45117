// The search: propose mixtures, evaluate their proxies, fit predictors, narrow, repeat; then
// decide.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "demix/core/mixture.h"
#include "demix/search/acquisition.h"
#include "demix/search/constraints.h"
#include "demix/search/objective.h"
#include "demix/search/pareto.h"
#include "demix/search/predictor.h"
#include "demix/search/sampler.h"
#include "demix/search/tolerance.h"

namespace demix {

// What ends a search before its rounds do. Nothing set: the rounds decide.
struct BudgetConfig {
  // Of the search's rounds: what is decided at their end is measured too (three proxies at most),
  // and references that are placed later (validate.refine) have searches of their own.
  std::optional<int64_t> proxies;
  std::optional<int64_t> items;   // answers scored, of the same rounds
  std::optional<double> seconds;  // the round that exceeds it is finished
  double regret = 0;  // stops when the next proxy is expected to gain less than this many standard
                      // deviations of the goal over the proxies; 0: never

  template <class V>
  void visit(V& v) {
    v("proxies", proxies);
    v("items", items);
    v("seconds", seconds);
    v("regret", regret);
  }
  void check() const;
};

struct SearchConfig {
  // paper: later rounds are drawn from the best predicted of random mixtures; adaptive: they are
  // proposed by acquisition around the predicted optimum.
  std::string scheme = "paper";
  std::string decide = "optimum";  // | average, of the best random mixtures, as the paper does
  int rounds = 3;                  // each: propose, score, fit
  int proxies = 128;               // of the first round
  int later_proxies = 0;           // of each later round; 0: half as many as the round before
  // Samplers of the first round, in equal parts: dirichlet, simplex, low_discrepancy, corners,
  // trust_region.
  std::vector<std::string> start = {"dirichlet"};
  int64_t candidates = 200000;  // random mixtures whose scores are predicted
  int64_t propose_from = 1280;  // paper: draws the next round from this many best predicted
  int64_t average_of = 1280;    // average: the mean of this many best predicted
  int64_t climbs = 24;          // optimum: by gradients, from the best candidates
  double caution = 0;           // optimum: standard deviations of the prediction that are taken off
  // By cross-validation (auto), or one of ridge, log_linear, gaussian_process, lightgbm and their
  // ensemble.
  std::string predictor = "auto";
  // What is made large: the mean over domains of the percentile rank (rank), or of the score in its
  // standard deviations (deviation), both over random mixtures as predicted.
  std::string objective = "rank";
  std::map<std::string, double> weights;  // of domains in that mean; empty: all alike
  // By domain or metric: what of its value at the current mixture (or else the natural one) the
  // result may lose, as predicted; 0.01 is 1 %.
  std::map<std::string, double> floors;
  std::map<std::string, double> current;  // data shares that are used today, by dataset
  // Used by a run: proxies are chosen by their scores on this share of each task's items, gains
  // over baselines are reported on the others, so that they are not luck that was selected. Half of
  // the items choose less well where they are few and right or wrong; four fifths hardly do, and
  // leave gains intervals 1.6 times as wide (bench/RESULTS.md, Accuracies). 1: gains are of the
  // items that were selected by.
  double select_share = 0.5;
  // Used by a run: share of each task's items and held-out documents that the proxies of the search
  // are scored on, the same ones for all; at most select_share of them. What is found and the
  // baselines are measured on all. For losses: accuracies need all their items.
  double item_share = 1;
  // Used by a run: folders of other runs. Their models are taken where they would be trained to the
  // same weights here (same base, datasets with a share, budget, settings, seed), and their proxies
  // become observations where merge method, components (by content) and scoring are the same.
  // Proxies are read once: a resumed run keeps what it got.
  std::vector<std::filesystem::path> warm_start;
  int front = 12;  // mixtures of the Pareto front over domains; 0: none
  BudgetConfig budget;
  AcquisitionConfig acquisition;
  SamplerConfig sampler;
  ConstraintConfig constraints;
  PredictorConfig predictors;

  template <class V>
  void visit(V& v) {
    v("scheme", scheme);
    v("decide", decide);
    v("rounds", rounds);
    v("proxies", proxies);
    v("later_proxies", later_proxies);
    v("start", start);
    v("candidates", candidates);
    v("propose_from", propose_from);
    v("average_of", average_of);
    v("climbs", climbs);
    v("caution", caution);
    v("predictor", predictor);
    v("objective", objective);
    v("weights", weights);
    v("floors", floors);
    v("current", current);
    v("select_share", select_share);
    v("item_share", item_share);
    v("warm_start", warm_start);
    v("front", front);
    v("budget", budget);
    v("acquisition", acquisition);
    v("sampler", sampler);
    v("constraints", constraints);
    v("predictors", predictors);
  }
  void check() const;
  bool adaptive() const { return scheme == "adaptive"; }
  bool to_optimum() const { return decide == "optimum"; }
  // Share of a task's items that the search's proxies are scored on.
  double searched_share() const { return std::min(item_share, select_share); }
  // Whether gains are reported on items that had no part in the choice.
  bool splits_items() const { return select_share < 1; }
  // Proxies of each round, at least one, within the budget: n, then later_proxies or n/2, n/4, ….
  std::vector<int64_t> proxies_per_round() const;
  int64_t total_proxies() const;
};

// Measures the proxies of a batch of merge weights, one result per mixture, in order. May return
// results that it had kept from an earlier run.
using EvaluateProxies = std::function<std::vector<Measurements>(std::span<const Mixture>)>;

// What the proxies of a search have taken so far.
struct Spent {
  int64_t items = 0;
  double seconds = 0;
};

// A proxy that was measured before the search, in a run with the same components and scores.
struct KnownProxy {
  std::vector<double> merge_weights;
  Measurements metrics;
};

struct SearchProblem {
  Composition composition;
  std::vector<Metric> metrics;
  std::vector<double> prior;  // over components, such as token counts; need not sum to one
  std::vector<int64_t>
      dataset_tokens;        // for max_epochs, in the order of the datasets; may be empty
  double target_tokens = 0;  // for max_epochs
  uint64_t seed = 0;
  // For budgets of items and seconds: asked after each round, which counts from 0. A resumed run
  // must get the answers that it got before.
  std::function<Spent(int round)> spent = {};
  // Mixtures that are to be predicted beside the found one: name and merge weights.
  std::vector<std::pair<std::string, std::vector<double>>> baselines = {};
  // Merge weights of the only mixtures that can be measured, such as models that exist already.
  // Empty: any mixture. What is found may still be any that the constraints allow.
  std::vector<std::vector<double>> pool = {};
  // Observations from the start. They take places of the first round: all of them, but for the part
  // of the components that no known proxy has weight on.
  std::vector<KnownProxy> known = {};
};

// One proxy, in the order in which they were evaluated.
struct EvaluatedMixture {
  int round = 0;  // from 0; -1: known before the search
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
  std::optional<double> cv_spearman, cv_mae;
  std::optional<double> coverage90;  // share of the proxies inside their 90 % intervals
  bool chosen = false;
};

struct Prediction {
  std::string metric;
  double value = 0;                      // in the metric's own unit
  std::optional<double> standard_error;  // of a measurement, calibrated by cross-validation
};

// What was predicted of one mixture before it was measured.
struct Foretold {
  std::string name;
  std::vector<Prediction> metrics;
  std::vector<double> domain_scores, domain_errors;  // oriented; errors as of metrics
};

struct SearchResult {
  std::vector<std::string> components, datasets, domains;
  std::vector<double> merge_weights;   // α of the found mixture
  std::vector<double> data_shares;     // p = αᵀC
  std::optional<size_t> best_of_pool;  // the place in the problem's pool of the best prediction
  std::vector<Prediction> predicted;   // by metric
  std::vector<double> predicted_domain_scores, predicted_domain_errors;  // oriented
  std::vector<Foretold> foretold;    // of the problem's baselines
  std::vector<Tolerance> tolerance;  // by component, for a fall by goal_error
  // Standard deviation of one proxy's goal from what others lead to expect of it; with too few of
  // them, what the predictors expect of themselves.
  double goal_error = 0;
  std::vector<FrontPoint> front;  // over the domains
  std::string decision;           // in words: how the mixture was chosen from the predictions
  // What one more proxy is expected to gain, in standard deviations of the goal over the proxies.
  std::optional<double> next_gain;
  std::string stopped;  // in words: what ended the search
  std::vector<EvaluatedMixture> evaluated;
  std::vector<PredictorTrial> trials;  // of the last fit: domains, which steer, then metrics
  std::vector<std::string> warnings;   // whole sentences
};

// Throws Error when the configuration names a domain, metric or dataset that is not there.
void check_names(const SearchConfig& config,
                 const Objective& objective,
                 const std::vector<std::string>& datasets);

// Deterministic in (config, problem, what `evaluate` returns). Throws Error on bad settings,
// constraints that cannot hold, and scores that are missing or not finite.
SearchResult search_mixture(const SearchConfig& config,
                            const SearchProblem& problem,
                            const EvaluateProxies& evaluate);

}  // namespace demix
