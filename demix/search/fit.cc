#include "demix/search/fit.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/mixture.h"
#include "demix/core/parallel_for.h"
#include "demix/core/progress.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/average.h"
#include "demix/search/folds.h"
#include "demix/search/optimum.h"
#include "demix/search/prediction_goal.h"
#include "demix/search/surrogates.h"
#include "demix/search/swarm_columns.h"
#include "demix/search/swarm_directions.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kStartsApart = 0.05;  // L1 distance
constexpr double kCrumb = 1e-7;        // smaller shares are none

size_t index_of(const std::string& name,
                const std::vector<std::string>& names,
                std::string_view key,
                std::string_view kind) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  throw Error("{}: there is no {} '{}'; {}", key, kind, name, suggestion(name, names));
}

// One metric of the swarm with all that is learned of it.
struct Target : FittedTarget {
  double sign = 1;                  // -1: lower is better
  double deviation = 0;             // of the scores; 0: constant
  double weight = 0;                // in the goal, per unit of the metric
  std::optional<double> most_lost;  // of its value at the prior
  double floor = 0;                 // of sign · value
  std::optional<RankScale> rank;    // of sign · value among the candidates, where ranks count
};

class SwarmFit {
 public:
  SwarmFit(const FitConfig& config, const Swarm& swarm)
      : config_(config), swarm_(swarm), root_(Rng(config.seed).stream("fit")) {
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
    read_goal();
  }

  FitResult run(const Swarm* holdout) {
    if (holdout) match(*holdout);
    const FeasibleSet feasible = feasible_set();
    warn_of_data();
    learn();
    if (holdout) judge(*holdout);
    propose(feasible);
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
      index_of(name, columns, "ignore", "column");
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
      result_.prior[index_of(name, swarm_.datasets, "prior", "dataset")] = weight;
    }
    const double sum = std::accumulate(result_.prior.begin(), result_.prior.end(), 0.0);
    if (!(sum > 0)) throw Error("the prior's weights sum to {}, expected above 0", sum);
    for (double& share : result_.prior) share /= sum;
  }

  void read_goal() {
    double sum = 0;
    for (size_t m = 0; m < swarm_.metrics.size(); ++m) {
      Target target;
      target.name = swarm_.metrics[m];
      target.sign = result_.higher_is_better[m] ? 1.0 : -1.0;
      const auto& scores = swarm_.scores[m];
      const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
      if (scores.size() > 1 && *most > *least) target.deviation = standard_deviation(scores);
      target.weight = config_.weights.empty() ? 1 : 0;
      targets_.push_back(std::move(target));
    }
    for (const auto& [name, weight] : config_.weights) {
      targets_[index_of(name, swarm_.metrics, "weights", "metric")].weight = weight;
    }
    for (const auto& [name, most_lost] : config_.floors) {
      targets_[index_of(name, swarm_.metrics, "floors", "metric")].most_lost = most_lost;
    }
    for (Target& target : targets_) {
      if (target.deviation == 0) {
        warn("All {} runs score the same on {}: it has no part in the choice.",
             result_.runs,
             target.name);
        target.weight = 0;
      }
      sum += target.weight;
    }
    if (!(sum > 0)) throw Error("no metric that varies has a weight above 0: nothing to optimise");
    for (Target& target : targets_) {
      target.weight /= sum;
      if (config_.units == "deviation" && target.weight > 0) target.weight /= target.deviation;
    }
  }

  FeasibleSet feasible_set() {
    const Composition plain = Composition::anchored(swarm_.datasets, swarm_.datasets.front(), 0);
    std::vector<int64_t> tokens;
    if (config_.constraints.max_epochs > 0) {
      tokens.assign(swarm_.datasets.size(), -1);
      for (const auto& [name, count] : config_.dataset_tokens) {
        tokens[index_of(name, swarm_.datasets, "dataset_tokens", "dataset")] =
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
    read_sampled_shares();
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

  void learn() {
    Rng rng = root_.stream("folds");
    const auto folds = mixture_folds(mixture_of_, rng);
    std::vector<std::string> names = competitor_names();
    if (config_.predictor != "auto" && config_.predictor != kEnsemble) names = {config_.predictor};
    Progress progress("fit predictors", fits_to_do(names, folds), "fits");
    parallel_for(targets_.size(), config_.threads, [&](size_t m) {
      Target& target = targets_[m];
      const auto& scores = swarm_.scores[m];
      const auto& errors = swarm_.standard_errors[m];
      target.tournament =
          compete(names, config_.predictors, swarm_.mixtures, scores, errors, folds, 1, &progress);
      target.chosen = config_.predictor == kEnsemble ? names.size() - 1 : target.tournament.winner;
      target.evidence = evidence_of(target.tournament, target.chosen, scores);
      if (!settle_target(target, swarm_.mixtures, scores, folds))
        target.predictor = fitted_competitor(
            target.tournament, target.chosen, config_.predictors, swarm_.mixtures, scores, errors);
      progress.add(1);
    });
    for (const Target& target : targets_) {
      const Tournament& tournament = target.tournament;
      for (size_t k = 0; k < tournament.names.size(); ++k) {
        if (tournament.results.empty() && k != target.chosen) continue;
        FitTrial trial{.predictor = tournament.names[k], .metric = target.name};
        trial.chosen = k == target.chosen;
        if (!tournament.results.empty()) {
          const CrossValidation& result = tournament.results[k];
          trial.cv_spearman = result.spearman;
          trial.cv_r2 = result.r2;
          trial.cv_mae = result.mae;
          trial.coverage90 = result.coverage90;
        }
        result_.trials.push_back(std::move(trial));
      }
      result_.chosen.push_back(tournament.names[target.chosen]);
      warn_of_weak_evidence(target);
    }
  }

  int64_t fits_to_do(const std::vector<std::string>& names, std::span<const int> folds) const {
    const bool compared = count_mixtures(mixture_of_) >= kFewestForTournament;
    const auto fitted = std::count_if(
        names.begin(), names.end(), [](const std::string& name) { return name != kEnsemble; });
    const int parts = compared ? *std::max_element(folds.begin(), folds.end()) + 1 : 0;
    return static_cast<int64_t>(targets_.size()) * (fitted * parts + 1);
  }

  void warn_of_weak_evidence(const Target& target) {
    if (!target.lacks_evidence()) return;
    warn(
        "The best predictor of {} ranks left-out runs no better than chance ({}): there is no "
        "evidence about it{}, and its mean is predicted of every mixture.",
        target.name,
        target.evidence->words("runs"),
        target.most_lost ? ", nothing says which mixtures keep its floor" : "");
  }

  // Finds the swarm's datasets and metrics in the holdout, before anything expensive.
  void match(const Swarm& holdout) {
    for (const std::string& dataset : swarm_.datasets) {
      holdout_columns_.push_back(index_of(dataset, holdout.datasets, "holdout", "dataset"));
    }
    for (size_t j = 0; j < holdout.datasets.size(); ++j) {
      if (std::find(holdout_columns_.begin(), holdout_columns_.end(), j) != holdout_columns_.end())
        continue;
      for (size_t i = 0; i < holdout.runs.size(); ++i) {
        if (holdout.mixtures.row(i)[j] == 0) continue;
        throw Error("holdout: run '{}' has {} of '{}', a dataset that the swarm lacks",
                    holdout.runs[i],
                    holdout.mixtures.row(i)[j],
                    holdout.datasets[j]);
      }
    }
    size_t missing = 0;
    for (const std::string& metric : swarm_.metrics) {
      const auto found = std::find(holdout.metrics.begin(), holdout.metrics.end(), metric);
      if (found == holdout.metrics.end()) {
        holdout_metrics_.push_back(std::nullopt);
        ++missing;
      } else {
        holdout_metrics_.push_back(static_cast<size_t>(found - holdout.metrics.begin()));
      }
    }
    if (missing == swarm_.metrics.size()) {
      throw Error(
          "holdout: it has none of the swarm's metrics; its first is '{}', the swarm's '{}'",
          holdout.metrics.front(),
          swarm_.metrics.front());
    }
    if (missing > 0) {
      warn("{} of the {} metrics are not in the holdout.", missing, swarm_.metrics.size());
    }
    for (const std::string& warning : holdout.warnings) warn("Holdout: {}", warning);
  }

  void judge(const Swarm& holdout) {
    Points mixtures(swarm_.datasets.size());
    for (size_t i = 0; i < holdout.runs.size(); ++i) {
      std::vector<double> row;
      for (size_t j : holdout_columns_) row.push_back(holdout.mixtures.row(i)[j]);
      mixtures.add(row);
    }
    warn_of_shared_runs(holdout, mixtures);
    double sum = 0;
    int count = 0;
    for (size_t m = 0; m < targets_.size(); ++m) {
      if (!holdout_metrics_[m]) continue;
      const auto& scores = holdout.scores[*holdout_metrics_[m]];
      const auto forecasts = targets_[m].predictor->forecast(mixtures);
      HoldoutScore judged{.metric = targets_[m].name};
      std::vector<double> means;
      double squares = 0, variance = 0, inside = 0;
      const double centre = mean(scores), n = static_cast<double>(scores.size());
      for (size_t i = 0; i < scores.size(); ++i) {
        means.push_back(forecasts[i].mean);
        const double error = std::abs(forecasts[i].mean - scores[i]);
        judged.mae += error / n;
        inside += error <= kNinetyPercent * forecasts[i].deviation();
        squares += error * error;
        variance += (scores[i] - centre) * (scores[i] - centre);
      }
      judged.coverage90 = inside / n;  // counted, since a sum of n-ths may exceed one
      judged.spearman = spearman(means, scores);
      if (variance > 0) judged.r2 = 1 - squares / variance;
      if (judged.spearman) {
        sum += *judged.spearman;
        ++count;
      }
      result_.holdout.push_back(std::move(judged));
    }
    if (count > 0) result_.holdout_mean_spearman = sum / count;
  }

  // Runs of the holdout that the predictors have seen. `mixtures` are the holdout's.
  void warn_of_shared_runs(const Swarm& holdout, const Points& mixtures) {
    const auto is_same = [&](size_t i, size_t run) {
      for (size_t j = 0; j < mixtures.columns(); ++j)
        if (std::abs(mixtures.row(i)[j] - swarm_.mixtures.row(run)[j]) > 1e-6) return false;
      for (size_t m = 0; m < targets_.size(); ++m) {
        if (!holdout_metrics_[m]) continue;
        const double score = swarm_.scores[m][run];
        if (std::abs(holdout.scores[*holdout_metrics_[m]][i] - score) > 1e-9 * std::abs(score))
          return false;
      }
      return true;
    };
    size_t shared = 0;
    for (size_t i = 0; i < mixtures.rows(); ++i) {
      bool seen = false;
      for (size_t run = 0; run < result_.runs && !seen; ++run) seen = is_same(i, run);
      shared += seen;
    }
    if (shared == 0) return;
    warn(
        "{} of the {} held-out runs are in the swarm too, with the same mixture and scores: what "
        "was learned from cannot test what was learned.",
        shared,
        mixtures.rows());
  }

  // Σ p log(p/prior), and its derivatives times `scale` added to `gradient`.
  double divergence(std::span<const double> p, double scale, std::span<double> gradient) const {
    double sum = 0;
    for (size_t j = 0; j < p.size(); ++j) {
      if (result_.prior[j] == 0) continue;  // excluded wherever the divergence counts
      const double log = std::log(std::max(p[j], 1e-12) / result_.prior[j]);
      if (p[j] > 0) sum += p[j] * log;
      if (!gradient.empty()) gradient[j] += scale * (log + 1);
    }
    return sum;
  }

  // Of the metrics that count or have a floor.
  std::vector<GoalTerm> terms() const {
    std::vector<GoalTerm> terms;
    for (const Target& target : targets_) {
      if (target.weight == 0 && !target.most_lost) continue;
      terms.push_back({.name = target.name,
                       .predictor = target.predictor.get(),
                       .sign = target.sign,
                       .weight = target.weight,
                       .rank = target.rank,
                       .deviation = target.deviation,
                       .floor = target.most_lost ? std::optional(target.floor) : std::nullopt});
    }
    return terms;
  }

  const Target& target_of(const GoalTerm& term) const {
    return targets_[index_of(term.name, result_.metrics, "goal", "metric")];
  }

  Goal goal() const {
    Goal goal = goal_of(terms());
    if (config_.kl == 0) return goal;
    const auto values = goal.values;
    goal.values = [this, values](const Points& points) {
      auto regularised = values(points);
      for (size_t i = 0; i < regularised.size(); ++i)
        regularised[i] -= config_.kl * divergence(points.row(i), 0, {});
      return regularised;
    };
    const auto slope = goal.slope;
    goal.slope = [this, slope](std::span<const double> p, std::span<double> gradient) {
      const double value = slope(p, gradient);
      return value - config_.kl * divergence(p, -config_.kl, gradient);
    };
    return goal;
  }

  void set_floors(const Points& prior) {
    for (Target& target : targets_) {
      if (!target.most_lost) continue;
      if (target.deviation == 0) {
        target.most_lost.reset();  // constant scores lose nothing
        continue;
      }
      const double score = target.sign * target.predictor->predict(prior)[0];
      target.floor = floor_below(score, *target.most_lost);
    }
  }

  void set_ranks(const Points& candidates) {
    for (Target& target : targets_) {
      if (target.weight == 0) continue;
      std::vector<double> scores = target.predictor->predict(candidates);
      for (double& score : scores) score *= target.sign;
      target.rank.emplace(scores);
    }
  }

  Points draw_candidates(const FeasibleSet& feasible) const {
    // Flat draws reach what draws around the prior do not.
    Rng rng = root_.stream("candidates");
    const auto half = static_cast<size_t>(config_.candidates + 1) / 2;
    Points candidates = sample_mixtures(config_.sampler, result_.prior, feasible, half, rng);
    const std::vector<double> flat(swarm_.datasets.size(), 1);
    const Points others = sample_mixtures(config_.sampler, flat, feasible, half, rng);
    for (size_t i = 0; i < others.rows(); ++i) candidates.add(others.row(i));
    // What is known to be good, and the prior, made members.
    for (size_t i = 0; i < swarm_.runs.size(); ++i) {
      if (feasible.contains(swarm_.mixtures.row(i))) candidates.add(swarm_.mixtures.row(i));
    }
    if (const auto member = feasible.project(result_.prior)) candidates.add(*member);
    return candidates;
  }

  // Whether there is no reason to prefer one of these mixtures to another.
  bool knows_no_difference(const Points& candidates) const {
    if (is_one_mixture(candidates)) return false;
    if (std::none_of(
            sampled_.begin(), sampled_.end(), [](const Range& range) { return range.varies(); }))
      return true;  // whatever a predictor makes of a single mixture
    return is_flat(terms(), candidates);
  }

  void propose(const FeasibleSet& feasible) {
    Points prior(swarm_.datasets.size());
    prior.add(result_.prior);
    set_floors(prior);
    const Points candidates = draw_candidates(feasible);
    if (config_.units == "rank") set_ranks(candidates);
    const Goal goal = this->goal();
    const auto values = goal.values(candidates);

    if (std::none_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); })) {
      throw no_mixture_keeps_floors(terms(), candidates);
    }
    Points starts(candidates.columns());
    for (size_t i :
         best_apart(candidates, values, static_cast<size_t>(config_.starts), kStartsApart)) {
      starts.add(candidates.row(i));
    }
    if (!take_prior_if_flat(goal, feasible, candidates)) {
      if (config_.average_of > 0) {
        average(goal, feasible, candidates, values);
      } else {
        climb(goal, feasible, starts);
      }
    }
    drop_crumbs(goal, feasible);
    foretell(goal, prior);
    warn_of_extrapolation();
    measure_tolerance(goal, feasible);
    draw_front(feasible, starts);
  }

  void climb(const Goal& goal, const FeasibleSet& feasible, const Points& starts) {
    const Optimum optimum = maximise(goal, feasible, starts, config_.threads);
    result_.mixture = optimum.merge_weights;
    result_.starts = optimum.starts;
    result_.agreed = optimum.agreed;
    result_.smooth = optimum.smooth;
    result_.by_moves = optimum.by_moves;
  }

  // Where no mixture is better than another, an optimum would be an arbitrary one.
  bool take_prior_if_flat(const Goal& goal, const FeasibleSet& feasible, const Points& candidates) {
    if (!knows_no_difference(candidates)) return false;
    const auto member = feasible.project(result_.prior);
    if (!member || !std::isfinite(goal_at(goal, *member))) return false;
    const bool moved = l1_distance(*member, result_.prior) > 1e-6;
    warn(
        "As far as the runs show, the goal does not depend on the mixture: the prior is "
        "proposed{}, "
        "for want of a reason to leave it.",
        moved ? ", moved to where the constraints hold" : "");
    result_.mixture = *member;
    return true;
  }

  // Shares of starts that slid to the edge are none, unless a floor or constraint hangs on them.
  void drop_crumbs(const Goal& goal, const FeasibleSet& feasible) {
    std::vector<bool> crumbs;
    for (double share : result_.mixture) crumbs.push_back(share < kCrumb);
    auto without = feasible.project(result_.mixture, crumbs);
    if (!without) return;
    for (size_t j = 0; j < crumbs.size(); ++j)
      if (crumbs[j]) (*without)[j] = 0;
    if (std::isfinite(goal_at(goal, *without))) result_.mixture = *without;
  }

  void measure_tolerance(const Goal& goal, const FeasibleSet& feasible) {
    result_.goal_error = goal_error();
    result_.tolerance = tolerances(goal.values, feasible, result_.mixture, result_.goal_error);
  }

  double goal_error() const {
    const auto terms = this->terms();
    std::vector<MeasuredTerm> measured;
    for (size_t m = 0; m < targets_.size(); ++m) {
      const Target& target = targets_[m];
      if (target.weight == 0 && !target.most_lost) continue;  // no term
      if (target.tournament.results.empty()) {                // too few runs to leave any out
        Points here(result_.mixture.size());
        here.add(result_.mixture);
        return expected_goal_deviation(terms, here);
      }
      measured.push_back({swarm_.scores[m], target.tournament.results[target.chosen].forecasts});
    }
    return goal_deviation(terms, measured);
  }

  void draw_front(const FeasibleSet& feasible, const Points& starts) {
    if (config_.front == 0) return;
    // Metrics without a weight keep their floors behind those that the front is over.
    std::vector<GoalTerm> terms, others;
    for (GoalTerm& term : this->terms()) {
      const Target& target = target_of(term);
      const bool counts = target.weight > 0 && !target.lacks_evidence();
      if (counts) result_.front_metrics.push_back(target.name);
      (counts ? terms : others).push_back(std::move(term));
    }
    const size_t counted = terms.size();
    std::move(others.begin(), others.end(), std::back_inserter(terms));
    if (counted < 2) {
      warn("A Pareto front needs two metrics that count, and {}: none was drawn.",
           counted == 1 ? fmt::format("only {} does", result_.front_metrics.front())
                        : "there is no evidence about any");
      return;
    }
    constexpr size_t kStarts = 6;
    Points some(starts.columns());
    for (size_t i = 0; i < std::min(kStarts, starts.rows()); ++i) some.add(starts.row(i));
    result_.front = pareto_front(std::span(terms).first(counted),
                                 std::span(terms).subspan(counted),
                                 feasible,
                                 some,
                                 static_cast<size_t>(config_.front),
                                 config_.threads);
  }

  // The paper's choice.
  void average(const Goal& goal,
               const FeasibleSet& feasible,
               const Points& candidates,
               const std::vector<double>& values) {
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(
        order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
    const auto finite = static_cast<size_t>(std::count_if(
        values.begin(), values.end(), [](double value) { return std::isfinite(value); }));
    if (finite < static_cast<size_t>(config_.average_of)) {
      warn(
          "average_of is {}, but only {} of the random mixtures keep the floors: no more were "
          "averaged. A larger number of candidates draws more.",
          config_.average_of,
          finite);
    }
    order.resize(std::min(finite, static_cast<size_t>(config_.average_of)));
    Average average = average_of_best(goal, terms(), feasible, candidates, order);
    result_.mixture = std::move(average.mixture);
    if (!average.warning.empty()) result_.warnings.push_back(average.warning);
  }

  void foretell(const Goal& goal, const Points& prior) {
    Points found(swarm_.datasets.size());
    found.add(result_.mixture);
    const auto interval = [](const Forecast& forecast) {
      const double reach = kNinetyPercent * forecast.deviation();
      return Interval{forecast.mean, forecast.mean - reach, forecast.mean + reach};
    };
    for (const Target& target : targets_) {
      result_.predicted.push_back(interval(target.predictor->forecast(found)[0]));
      result_.predicted_prior.push_back(interval(target.predictor->forecast(prior)[0]));
    }
    result_.goal = goal.values(found)[0];
    result_.goal_prior = goal.values(prior)[0];
    measure_divergence();
  }

  // The prior may leave out datasets as long as the divergence has no part in the goal.
  void measure_divergence() {
    std::vector<std::string> outside;
    for (size_t j = 0; j < result_.mixture.size(); ++j) {
      if (result_.prior[j] == 0 && result_.mixture[j] >= kCrumb)
        outside.push_back(swarm_.datasets[j]);
    }
    result_.kl = std::max(divergence(result_.mixture, 0, {}), 0.0);
    if (outside.empty()) return;
    result_.kl = kInfinity;
    warn(
        "The divergence from the prior is infinite: the prior leaves out {}, the mixture does not. "
        "What stands beside it for the prior is without.",
        fmt::join(outside, ", "));
  }

  void warn_of_extrapolation() {
    for (size_t j = 0; j < result_.mixture.size(); ++j) {
      const double share = result_.mixture[j];
      const bool above = share > 1.001 * sampled_[j].most && sampled_[j].most > 0;
      const bool below = share < 0.999 * sampled_[j].least - 1e-9;
      if (!above && !below) continue;
      warn("The share {:.3f} of {} lies {} of any run ({:.3f}): its predictions are extrapolated.",
           share,
           swarm_.datasets[j],
           above ? "beyond the largest" : "below the smallest",
           above ? sampled_[j].most : sampled_[j].least);
    }
  }

  const FitConfig& config_;
  const Swarm& swarm_;
  const Rng root_;
  std::vector<size_t> mixture_of_;  // by run
  std::vector<Target> targets_;     // by metric
  struct Range {
    double least = kInfinity, most = 0;
    bool varies() const { return most - least > 1e-9; }
  };
  std::vector<Range> sampled_;                          // shares of the runs, by dataset
  std::vector<size_t> holdout_columns_;                 // of the swarm's datasets
  std::vector<std::optional<size_t>> holdout_metrics_;  // of the swarm's metrics
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
