#include "demix/search/fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/mixture.h"
#include "demix/search/fit_holdout.h"
#include "demix/search/fit_metrics.h"
#include "demix/search/fit_proposal.h"
#include "demix/search/folds.h"
#include "demix/search/swarm_columns.h"
#include "demix/search/swarm_directions.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class SwarmFit {
 public:
  SwarmFit(const FitConfig& config, const Swarm& swarm) : config_(config), swarm_(swarm) {
    result_.datasets = swarm.datasets;
    result_.metrics = swarm.metrics;
    result_.runs = swarm.runs.size();
    result_.warnings = swarm.warnings;
    mixture_of_ = mixture_of_rows(swarm.mixtures);
    if (result_.runs < 2) {
      throw Error(
          "the swarm has {} run, expected at least 2, and {} for a fit that cross-validation can "
          "check; are there more runs in other files?",
          result_.runs,
          kFewestForTournament);
    }
    check_ignored();
    read_directions();
    read_prior();
    metrics_ = weigh_metrics(config, swarm, result_.higher_is_better, result_.warnings);
  }

  FitResult run(const Swarm* held_out) {
    std::optional<FitHoldout> holdout;
    if (held_out) holdout.emplace(swarm_, *held_out, result_.warnings);
    read_sampled_shares();
    const FeasibleSet feasible = feasible_set();
    warn_of_data();
    learn_metrics(config_, swarm_, mixture_of_, metrics_);
    record_trials();
    if (holdout) record_holdout(holdout->judge(metrics_, result_.warnings));
    FitProposal(config_, swarm_, feasible, sampled_, metrics_, result_).make();
    return std::move(result_);
  }

 private:
  template <typename... Args>
  void warn(fmt::format_string<Args...> pattern, Args&&... args) {
    result_.warnings.push_back(fmt::format(pattern, std::forward<Args>(args)...));
  }

  void check_ignored() const {
    std::vector<std::string> columns = swarm_.left_out;
    columns.insert(columns.end(), swarm_.datasets.begin(), swarm_.datasets.end());
    columns.insert(columns.end(), swarm_.metrics.begin(), swarm_.metrics.end());
    for (size_t i = 0, plain = columns.size(); i < plain; ++i) {
      columns.push_back("mixtures:" + columns[i]);
      columns.push_back("scores:" + columns[i]);
    }
    for (const std::string& name : joined_to_names(config_.ignore, columns))
      place_of(name, columns, "ignore", "column");
  }

  void read_directions() {
    SwarmDirections found =
        swarm_directions(swarm_, config_.higher_is_better, config_.lower_is_better);
    result_.higher_is_better = std::move(found.higher_is_better);
    result_.told = std::move(found.told);
    result_.by_values = std::move(found.by_values);
    for (const std::string& warning : found.warnings) warn("{}", warning);
  }

  void read_prior() {
    result_.prior.assign(swarm_.datasets.size(), config_.prior.empty() ? 1 : 0);
    for (const auto& [name, weight] : config_.prior) {
      if (!(weight >= 0 && std::isfinite(weight))) {
        throw Error("prior.{} is {}, expected 0 or more", name, weight);
      }
      result_.prior[place_of(name, swarm_.datasets, "prior", "dataset")] = weight;
    }
    const double sum = std::accumulate(result_.prior.begin(), result_.prior.end(), 0.0);
    if (!(sum > 0)) throw Error("the prior's weights sum to {}, expected above 0", sum);
    for (double& share : result_.prior) share /= sum;
  }

  FeasibleSet feasible_set() {
    const Composition plain = Composition::anchored(swarm_.datasets, swarm_.datasets.front(), 0);
    std::vector<int64_t> tokens;
    if (config_.constraints.max_epochs > 0) {
      tokens.assign(swarm_.datasets.size(), -1);
      for (const auto& [name, count] : config_.dataset_tokens) {
        tokens[place_of(name, swarm_.datasets, "dataset_tokens", "dataset")] =
            static_cast<int64_t>(count);
      }
      for (size_t j = 0; j < tokens.size(); ++j) {
        if (tokens[j] < 0) {
          throw Error("constraints.max_epochs needs dataset_tokens.{}", swarm_.datasets[j]);
        }
      }
    }
    auto constraints =
        share_constraints(config_.constraints, plain, result_.prior, tokens, config_.target_tokens);
    std::vector<std::string> without_prior;
    for (size_t j = 0; j < swarm_.datasets.size(); ++j) {
      const auto none = [&](std::string why) {
        ShareConstraint constraint{
            std::move(why), std::vector<double>(swarm_.datasets.size()), -kInfinity, 0};
        constraint.coefficients[j] = 1;
        constraints.push_back(std::move(constraint));
      };
      if (sampled_[j].most == 0) {
        none(fmt::format("{} none (never sampled)", swarm_.datasets[j]));
      } else if (config_.kl > 0 && result_.prior[j] == 0) {
        none(fmt::format("{} none (its prior is 0 and kl is above 0)", swarm_.datasets[j]));
        without_prior.push_back(swarm_.datasets[j]);
      }
    }
    if (!without_prior.empty()) {
      warn(
          "The prior leaves out {}, and kl is above 0: no share of these is allowed, since any "
          "would be infinitely far from the prior.",
          fmt::join(without_prior, ", "));
    }
    return FeasibleSet(plain, constraints);
  }

  void read_sampled_shares() {
    sampled_.resize(swarm_.datasets.size());
    for (size_t i = 0; i < swarm_.runs.size(); ++i) {
      for (size_t j = 0; j < sampled_.size(); ++j) {
        const double share = swarm_.mixtures.row(i)[j];
        sampled_[j].least = std::min(sampled_[j].least, share);
        sampled_[j].most = std::max(sampled_[j].most, share);
      }
    }
  }

  void warn_of_data() {
    std::vector<std::string> constant;
    for (size_t j = 0; j < sampled_.size(); ++j) {
      if (sampled_[j].most == 0) {
        warn("No run has any of {}: nothing says what it does, and it gets no share.",
             swarm_.datasets[j]);
      } else if (!sampled_[j].varies()) {
        constant.push_back(fmt::format("{} ({:.3g})", swarm_.datasets[j], sampled_[j].most));
      }
    }
    if (!constant.empty()) {
      warn("Every run has the same share of {}: nothing says what more or less does.",
           fmt::join(constant, ", "));
    }
    const size_t parameters = swarm_.datasets.size() + 1, mixtures = count_mixtures(mixture_of_);
    if (mixtures < kFewestForTournament) {
      warn(
          "{} are too few to check any predictor by cross-validation (at least {}): the proposed "
          "mixture is a guess that nothing has tested.",
          count_in_words(result_.runs, mixtures, "runs"),
          kFewestForTournament);
    } else if (mixtures < parameters) {
      warn(
          "{} {} are fewer than the {} parameters of even a linear law of {} datasets: the data "
          "cannot separate all datasets, and where they cannot the predictors' priors decide. "
          "Trust what cross-validation shows, no more; {} runs (three per parameter) are a common "
          "advice.",
          mixtures,
          mixtures == result_.runs ? "runs" : "different mixtures",
          parameters,
          swarm_.datasets.size(),
          3 * parameters);
    }
  }

  void record_trials() {
    for (const FitMetric& metric : metrics_) {
      const Tournament& tournament = metric.tournament;
      for (size_t k = 0; k < tournament.names.size(); ++k) {
        if (tournament.results.empty() && k != metric.chosen) continue;
        FitTrial trial{.predictor = tournament.names[k], .metric = metric.name};
        trial.chosen = k == metric.chosen;
        if (!tournament.results.empty()) {
          const CrossValidation& result = tournament.results[k];
          trial.cv_spearman = result.spearman;
          trial.cv_r2 = result.r2;
          trial.cv_mae = result.mae;
          trial.coverage90 = result.coverage90;
        }
        result_.trials.push_back(std::move(trial));
      }
      result_.chosen.push_back(tournament.names[metric.chosen]);
      warn_of_weak_evidence(metric);
    }
  }

  void warn_of_weak_evidence(const FitMetric& metric) {
    if (!metric.lacks_evidence()) return;
    warn(
        "The best predictor of {} ranks left-out runs no better than chance ({}): there is no "
        "evidence about it{}, and its mean is predicted of every mixture.",
        metric.name,
        metric.evidence->words("runs"),
        metric.most_lost ? ", nothing says which mixtures keep its floor" : "");
  }

  void record_holdout(std::vector<HoldoutScore> judged) {
    double sum = 0;
    int count = 0;
    for (const HoldoutScore& score : judged) {
      if (!score.spearman) continue;
      sum += *score.spearman;
      ++count;
    }
    if (count > 0) result_.holdout_mean_spearman = sum / count;
    result_.holdout = std::move(judged);
  }

  const FitConfig& config_;
  const Swarm& swarm_;
  std::vector<size_t> mixture_of_;  // by run
  std::vector<FitMetric> metrics_;
  std::vector<SampledRange> sampled_;  // by dataset
  FitResult result_;
};

}  // namespace

void FitConfig::check() const {
  if (predictor != "auto") check_competitor(predictor);
  if (units != "deviation" && units != "own" && units != "rank") {
    throw Error("units is '{}', expected deviation, own or rank", units);
  }
  if (!(kl >= 0 && std::isfinite(kl))) throw Error("kl is {}, expected 0 or more", kl);
  for (const auto& [name, weight] : weights) {
    if (!(weight >= 0 && std::isfinite(weight)))
      throw Error("weights.{} is {}, expected 0 or more", name, weight);
  }
  for (const auto& [name, most_lost] : floors) {
    if (!(most_lost >= 0 && std::isfinite(most_lost)))
      throw Error("floors.{} is {}, expected 0 or more, such as 0.01", name, most_lost);
  }
  for (const auto& [name, tokens] : dataset_tokens) {
    if (!(tokens >= 0 && tokens < 9e18))
      throw Error("dataset_tokens.{} is {}, expected 0 or more", name, tokens);
  }
  if (candidates < 1) throw Error("candidates is {}, expected at least 1", candidates);
  if (starts < 1) throw Error("starts is {}, expected at least 1", starts);
  if (average_of < 0) throw Error("average_of is {}, expected 0 (the optimum) or more", average_of);
  if (front < 0) throw Error("front is {}, expected 0 (none) or more", front);
  if (threads < 0) throw Error("threads is {}, expected 0 (all) or more", threads);
  constraints.check();
  sampler.check();
  predictors.check();
}

FitResult fit_swarm(const FitConfig& config, const Swarm& swarm, const Swarm* holdout) {
  config.check();
  return SwarmFit(config, swarm).run(holdout);
}

}  // namespace demix
