// Predictors and the best mixture from swarms that others trained.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "demix/search/constraints.h"
#include "demix/search/pareto.h"
#include "demix/search/predictor.h"
#include "demix/search/sampler.h"
#include "demix/search/swarm_csv.h"
#include "demix/search/tolerance.h"

namespace demix {

struct FitConfig {
  // Columns that are neither datasets nor metrics; mixtures:NAME and scores:NAME in one file only.
  std::vector<std::string> ignore = {};
  // Rows of the mixtures are token counts, percentages or other weights, not shares.
  bool rescale_rows = false;
  // By cross-validation (auto), or one of ridge, log_linear, gaussian_process, lightgbm and their
  // ensemble.
  std::string predictor = "auto";
  // Metrics, patterns with * and ?, or all; others by name and by values, see swarm_directions.h.
  std::vector<std::string> higher_is_better = {}, lower_is_better = {};
  // What is made large is the weighted mean of the metrics, higher is better, less
  // kl · KL(p ‖ prior). By metric; empty: all count alike.
  std::map<std::string, double> weights = {};
  // In what the metrics are added: their standard deviations over the runs (deviation), as they are
  // (own), or percentile ranks among random mixtures as predicted (rank, the paper's).
  std::string units = "deviation";
  double kl = 0;  // weight of the divergence from the prior
  // By metric: what of its value at the prior the mixture may lose, in its prediction; 0.01 is 1 %.
  std::map<std::string, double> floors = {};
  std::map<std::string, double> prior = {};  // by dataset, such as token counts; empty: uniform
  ConstraintConfig constraints = {.max_times_prior = 0};
  std::map<std::string, double> dataset_tokens = {};  // for max_epochs
  double target_tokens = 0;                           // for max_epochs
  int64_t candidates = 20000;  // random mixtures, of which the best are where the climbs start
  int64_t starts = 24;         // of the climbs
  // 0: the optimum; else the mean of that many best candidates, as the paper does, moved towards
  // the best of them as far as floors need it.
  int64_t average_of = 0;
  int64_t front = 0;  // mixtures of the Pareto front over the metrics with a weight; 0: none
  uint64_t seed = 0;  // of random mixtures and folds
  int threads = 0;    // 0: all
  SamplerConfig sampler;
  PredictorConfig predictors;

  template <class V>
  void visit(V& v) {
    v("ignore", ignore);
    v("rescale_rows", rescale_rows);
    v("predictor", predictor);
    v("higher_is_better", higher_is_better);
    v("lower_is_better", lower_is_better);
    v("weights", weights);
    v("units", units);
    v("kl", kl);
    v("floors", floors);
    v("prior", prior);
    v("constraints", constraints);
    v("dataset_tokens", dataset_tokens);
    v("target_tokens", target_tokens);
    v("candidates", candidates);
    v("starts", starts);
    v("average_of", average_of);
    v("front", front);
    v("seed", seed);
    v("threads", threads);
    v("sampler", sampler);
    v("predictors", predictors);
  }
  void check() const;
};

struct Interval {
  double value = 0, low = 0, high = 0;  // of 90 %
};

// How one predictor does on one metric in cross-validation. No values with too few runs.
struct FitTrial {
  std::string predictor, metric;  // kMean where it stands in for one without evidence
  std::optional<double> cv_spearman, cv_r2, cv_mae, coverage90;
  bool chosen = false;
};

// The chosen predictor of one metric on runs that took no part.
struct HoldoutScore {
  std::string metric;
  std::optional<double> spearman, r2;
  double mae = 0, coverage90 = 0;
};

struct FitResult {
  std::vector<std::string> datasets, metrics;
  size_t runs = 0;
  std::vector<bool> higher_is_better;  // by metric
  std::vector<bool> told;              // by metric: whether the direction was said, not assumed
  std::vector<bool> by_values;         // by metric: assumed from the values, not from the name
  std::vector<FitTrial> trials;        // by metric, then by predictor
  std::vector<std::string> chosen;     // by metric
  std::vector<HoldoutScore> holdout;   // metrics that both have; empty without one
  std::optional<double> holdout_mean_spearman;

  std::vector<double> mixture, prior;                // by dataset
  std::vector<Interval> predicted, predicted_prior;  // by metric
  double goal = 0, goal_prior = 0;
  double kl = 0;               // KL(mixture ‖ prior), not times its weight; may be infinite
  int starts = 0, agreed = 0;  // climbs, and those that ended equally high, see optimum.h
  bool smooth = true;          // no trees among what was climbed
  double by_moves = 0;         // what moves over the steps of trees added to the goal
  // What one run's goal differs by from its prediction: see goal_deviation, over cross-validation.
  // With too few runs for that, what the predictors expect at the mixture.
  double goal_error = 0;
  std::vector<Tolerance> tolerance;        // by dataset, for a fall of the goal by goal_error
  std::vector<std::string> front_metrics;  // that the front is over
  std::vector<FrontPoint> front;           // its scores: higher is better
  std::vector<std::string> warnings;       // whole sentences
};

// Throws Error on names that the swarm lacks, contradicting settings, constraints that cannot hold
// (naming them), fewer than two runs and a holdout with other datasets. Deterministic. The swarm
// was read with config.ignore and rescale_rows.
FitResult fit_swarm(const FitConfig& config, const Swarm& swarm, const Swarm* holdout = nullptr);

}  // namespace demix
