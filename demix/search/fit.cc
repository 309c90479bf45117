#include "demix/search/fit.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/parallel_for.h"
#include "demix/core/ranks.h"
#include "demix/core/rng.h"
#include "demix/search/optimum.h"
#include "demix/search/prediction_goal.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kStartsApart = 0.05;  // L1 distance

size_t index_of(const std::string& name,
                const std::vector<std::string>& names,
                std::string_view key,
                std::string_view kind) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  throw Error("{}: there is no {} '{}'; {}", key, kind, name, suggestion(name, names));
}

// One metric of the swarm with all that is learned of it.
struct Target {
  std::string name;
  double sign = 1;                  // -1: lower is better
  double deviation = 0;             // of the scores; 0: constant
  double weight = 0;                // in the goal, per unit of the metric
  std::optional<double> most_lost;  // of its value at the prior
  double floor = 0;                 // of sign · value
  std::optional<RankScale> rank;    // of sign · value among the candidates, where ranks count
  Tournament tournament;
  size_t chosen = 0;
  std::unique_ptr<Predictor> predictor;
};

class SwarmFit {
 public:
  SwarmFit(const FitConfig& config, const Swarm& swarm)
      : config_(config), swarm_(swarm), root_(Rng(config.seed).stream("fit")) {
    result_.datasets = swarm.datasets;
    result_.metrics = swarm.metrics;
    result_.runs = swarm.runs.size();
    result_.warnings = swarm.warnings;
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

  void read_directions() {
    result_.told.assign(swarm_.metrics.size(), false);
    for (const std::string& metric : swarm_.metrics) {
      result_.higher_is_better.push_back(higher_is_better_by_name(metric));
    }
    for (const bool higher : {true, false}) {
      const char* key = higher ? "higher_is_better" : "lower_is_better";
      for (const std::string& name : higher ? config_.higher_is_better : config_.lower_is_better) {
        const size_t m = index_of(name, swarm_.metrics, key, "metric");
        if (result_.told[m] && result_.higher_is_better[m] != higher) {
          throw Error("metric '{}' is named both higher and lower is better", name);
        }
        result_.told[m] = true;
        result_.higher_is_better[m] = higher;
      }
    }
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
      Target target{.name = swarm_.metrics[m], .sign = result_.higher_is_better[m] ? 1.0 : -1.0};
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
    for (size_t j = 0; j < swarm_.datasets.size(); ++j) {
      double most = 0;
      for (size_t i = 0; i < swarm_.runs.size(); ++i) {
        most = std::max(most, swarm_.mixtures.row(i)[j]);
      }
      largest_sampled_.push_back(most);
      const auto none = [&](std::string why) {
        ShareConstraint constraint{
            std::move(why), std::vector<double>(swarm_.datasets.size()), -kInfinity, 0};
        constraint.coefficients[j] = 1;
        constraints.push_back(std::move(constraint));
      };
      if (most == 0) {
        warn("No run has any of {}: nothing says what it does, and it gets no share.",
             swarm_.datasets[j]);
        none(fmt::format("{} none (never sampled)", swarm_.datasets[j]));
      } else if (config_.kl > 0 && result_.prior[j] == 0) {
        none(fmt::format("{} none (its prior is 0 and kl is above 0)", swarm_.datasets[j]));
      }
    }
    return FeasibleSet(plain, constraints);
  }

  void warn_of_data() {
    const size_t parameters = swarm_.datasets.size() + 1;
    if (result_.runs < kFewestForTournament) {
      warn(
          "{} runs are too few to check any predictor by cross-validation (at least {}): the "
          "proposed mixture is a guess that nothing has tested.",
          result_.runs,
          kFewestForTournament);
    } else if (result_.runs < parameters) {
      warn(
          "{} runs are fewer than the {} parameters of even a linear law of {} datasets: the data "
          "cannot separate all datasets, and where they cannot the predictors' priors decide. "
          "Trust what cross-validation shows, no more; {} runs (three per parameter) are a common "
          "advice.",
          result_.runs,
          parameters,
          swarm_.datasets.size(),
          3 * parameters);
    }
  }

  void learn() {
    Rng rng = root_.stream("folds");
    const auto folds = random_folds(result_.runs, rng);
    std::vector<std::string> names = competitor_names();
    if (config_.predictor != "auto" && config_.predictor != kEnsemble) names = {config_.predictor};
    parallel_for(targets_.size(), config_.threads, [&](size_t m) {
      Target& target = targets_[m];
      const auto& scores = swarm_.scores[m];
      const auto& errors = swarm_.standard_errors[m];
      target.tournament =
          compete(names, config_.predictors, swarm_.mixtures, scores, errors, folds);
      target.chosen = config_.predictor == kEnsemble ? names.size() - 1 : target.tournament.winner;
      target.predictor = fitted_competitor(
          target.tournament, target.chosen, config_.predictors, swarm_.mixtures, scores, errors);
    });
    for (const Target& target : targets_) {
      const Tournament& tournament = target.tournament;
      for (size_t k = 0; k < names.size(); ++k) {
        if (tournament.results.empty() && k != target.chosen) continue;
        FitTrial trial{.predictor = names[k], .metric = target.name};
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
      result_.chosen.push_back(names[target.chosen]);
      warn_of_weak_evidence(target);
    }
  }

  void warn_of_weak_evidence(const Target& target) {
    if (target.tournament.results.empty() || target.deviation == 0) return;
    const auto& spearman = target.tournament.results[target.chosen].spearman;
    const double chance = spearman_by_chance(result_.runs);
    if (spearman && *spearman >= chance) return;
    warn(
        "The best predictor of {} ranks left-out runs no better than chance (cross-validated "
        "Spearman {}, {:.2f} needed with {} runs): there is no evidence about it.",
        target.name,
        spearman ? fmt::format("{:.2f}", *spearman) : "undefined",
        chance,
        result_.runs);
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
    double sum = 0;
    int count = 0;
    for (size_t m = 0; m < targets_.size(); ++m) {
      if (!holdout_metrics_[m]) continue;
      const auto& scores = holdout.scores[*holdout_metrics_[m]];
      const auto forecasts = targets_[m].predictor->forecast(mixtures);
      HoldoutScore judged{.metric = targets_[m].name};
      std::vector<double> means;
      double squares = 0, variance = 0;
      const double centre = mean(scores), n = static_cast<double>(scores.size());
      for (size_t i = 0; i < scores.size(); ++i) {
        means.push_back(forecasts[i].mean);
        const double error = std::abs(forecasts[i].mean - scores[i]);
        judged.mae += error / n;
        judged.coverage90 += error <= kNinetyPercent * forecasts[i].deviation() ? 1 / n : 0;
        squares += error * error;
        variance += (scores[i] - centre) * (scores[i] - centre);
      }
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
      terms.push_back({.predictor = target.predictor.get(),
                       .sign = target.sign,
                       .weight = target.weight,
                       .rank = target.rank,
                       .deviation = target.deviation,
                       .floor = target.most_lost ? std::optional(target.floor) : std::nullopt});
    }
    return terms;
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

  void propose(const FeasibleSet& feasible) {
    Points prior(swarm_.datasets.size());
    prior.add(result_.prior);
    set_floors(prior);
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
    if (config_.units == "rank") set_ranks(candidates);
    const Goal goal = this->goal();
    const auto values = goal.values(candidates);

    if (std::none_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); })) {
      throw Error("no mixture among {} that meet the constraints keeps all floors: {}",
                  candidates.rows(),
                  broken_floor(candidates));
    }
    Points starts(candidates.columns());
    for (size_t i :
         best_apart(candidates, values, static_cast<size_t>(config_.starts), kStartsApart)) {
      starts.add(candidates.row(i));
    }
    if (config_.average_of > 0) {
      average(feasible, candidates, values);
    } else {
      const Optimum optimum = maximise(goal, feasible, starts, config_.threads);
      result_.mixture = optimum.merge_weights;
      result_.starts = optimum.starts;
      result_.agreed = optimum.agreed;
      result_.smooth = optimum.smooth;
      result_.by_moves = optimum.by_moves;
    }
    for (double& share : result_.mixture) {
      if (share < 1e-7) share = 0;  // of a start that slid to the edge
    }
    const double sum = std::accumulate(result_.mixture.begin(), result_.mixture.end(), 0.0);
    for (double& share : result_.mixture) share /= sum;
    foretell(goal, prior);
    measure_tolerance(goal, feasible);
    draw_front(feasible, starts);
  }

  void measure_tolerance(const Goal& goal, const FeasibleSet& feasible) {
    if (!std::isfinite(result_.goal)) return;  // an average that breaks a floor
    for (size_t m = 0; m < targets_.size(); ++m) {
      const Target& target = targets_[m];
      const Interval& predicted = result_.predicted[m];
      const double deviation = (predicted.high - predicted.value) / kNinetyPercent;
      const double steepness = target.rank ? target.rank->slope(target.sign * predicted.value) : 1;
      result_.goal_error = std::hypot(result_.goal_error, target.weight * steepness * deviation);
    }
    result_.tolerance = tolerances(goal.values, feasible, result_.mixture, result_.goal_error);
  }

  void draw_front(const FeasibleSet& feasible, const Points& starts) {
    if (config_.front == 0) return;
    // Metrics without a weight keep their floors behind those that the front is over.
    auto terms = this->terms();
    std::stable_partition(
        terms.begin(), terms.end(), [](const GoalTerm& term) { return term.weight > 0; });
    size_t counted = 0;
    while (counted < terms.size() && terms[counted].weight > 0) ++counted;
    for (const Target& target : targets_) {
      if (target.weight > 0) result_.front_metrics.push_back(target.name);
    }
    if (counted < 2) return;
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

  // The floor that is missed most by the candidate that misses least, in words.
  std::string broken_floor(const Points& candidates) const {
    std::vector<double> worst(candidates.rows(), -kInfinity);
    std::vector<const Target*> by(candidates.rows());
    for (const Target& target : targets_) {
      if (!target.most_lost) continue;
      const auto predicted = target.predictor->predict(candidates);
      for (size_t i = 0; i < worst.size(); ++i) {
        const double missed = (target.floor - target.sign * predicted[i]) / target.deviation;
        if (missed > worst[i]) {
          worst[i] = missed;
          by[i] = &target;
        }
      }
    }
    const auto best = std::min_element(worst.begin(), worst.end());
    const Target& target = *by[static_cast<size_t>(best - worst.begin())];
    return fmt::format("the nearest misses that of {} ({:.6g}) by {:.3g}",
                       target.name,
                       target.sign * target.floor,
                       *best * target.deviation);
  }

  // The paper's choice.
  void average(const FeasibleSet& feasible,
               const Points& candidates,
               const std::vector<double>& values) {
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(
        order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
    const auto finite = static_cast<size_t>(std::count_if(
        values.begin(), values.end(), [](double value) { return std::isfinite(value); }));
    order.resize(std::min(finite, static_cast<size_t>(config_.average_of)));
    result_.mixture.assign(candidates.columns(), 0);
    for (size_t i : order) {
      for (size_t j = 0; j < result_.mixture.size(); ++j) {
        result_.mixture[j] += candidates.row(i)[j] / static_cast<double>(order.size());
      }
    }
    DEMIX_CHECK(feasible.violation(result_.mixture) <= 2 * FeasibleSet::kTolerance);
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
    result_.kl = divergence(result_.mixture, 0, {});
    for (size_t j = 0; j < result_.mixture.size(); ++j) {
      if (result_.mixture[j] > 1.001 * largest_sampled_[j] && largest_sampled_[j] > 0) {
        warn(
            "The share {:.3f} of {} lies beyond the largest of any run ({:.3f}): its predictions "
            "are extrapolated.",
            result_.mixture[j],
            swarm_.datasets[j],
            largest_sampled_[j]);
      }
    }
  }

  const FitConfig& config_;
  const Swarm& swarm_;
  const Rng root_;
  std::vector<Target> targets_;  // by metric
  std::vector<double> largest_sampled_;
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

bool higher_is_better_by_name(const std::string& metric) {
  std::string lower;
  for (char c : metric) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::none_of(std::begin(kLowerIsBetterWords),
                      std::end(kLowerIsBetterWords),
                      [&](const char* word) { return lower.find(word) != std::string::npos; });
}

FitResult fit_swarm(const FitConfig& config, const Swarm& swarm, const Swarm* holdout) {
  config.check();
  return SwarmFit(config, swarm).run(holdout);
}

}  // namespace demix
