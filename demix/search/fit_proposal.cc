#include "demix/search/fit_proposal.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/search/average.h"
#include "demix/search/optimum.h"
#include "demix/search/pareto.h"
#include "demix/search/tournament.h"

namespace demix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kStartsApart = 0.05;  // L1 distance
constexpr double kCrumb = 1e-7;        // smaller shares are none

Points one_row(std::span<const double> mixture) {
  Points points(mixture.size());
  points.add(mixture);
  return points;
}

}  // namespace

FitProposal::FitProposal(const FitConfig& config,
                         const Swarm& swarm,
                         const FeasibleSet& feasible,
                         std::span<const SampledRange> sampled,
                         std::vector<FitMetric>& metrics,
                         FitResult& result)
    : config_(config),
      swarm_(swarm),
      feasible_(feasible),
      sampled_(sampled),
      metrics_(metrics),
      result_(result),
      fit_goal_(config, metrics, result.prior),
      candidates_(draw_candidates()),
      starts_(swarm.datasets.size()) {
  if (config.units == "rank") fit_goal_.rank_among(candidates_);
  goal_ = fit_goal_.goal();
  values_ = goal_.values(candidates_);
}

void FitProposal::make() {
  if (std::none_of(values_.begin(), values_.end(), [](double v) { return std::isfinite(v); }))
    throw no_mixture_keeps_floors(fit_goal_.terms(), candidates_);
  for (size_t i :
       best_apart(candidates_, values_, static_cast<size_t>(config_.starts), kStartsApart)) {
    starts_.add(candidates_.row(i));
  }
  if (!take_prior_if_flat()) {
    if (config_.average_of > 0) {
      average();
    } else {
      climb();
    }
  }
  result_.mixture = without_crumbs(std::move(result_.mixture), kCrumb, feasible_, goal_);
  foretell();
  warn_of_extrapolation();
  result_.goal_error = fit_goal_.error(swarm_, result_.mixture);
  result_.tolerance = tolerances(goal_.values, feasible_, result_.mixture, result_.goal_error);
  draw_front();
}

Points FitProposal::draw_candidates() const {
  // Flat draws reach what draws around the prior do not.
  Rng rng = Rng(config_.seed).stream("fit").stream("candidates");
  const auto half = static_cast<size_t>(config_.candidates + 1) / 2;
  Points candidates = sample_mixtures(config_.sampler, result_.prior, feasible_, half, rng);
  const std::vector<double> flat(swarm_.datasets.size(), 1);
  const Points others = sample_mixtures(config_.sampler, flat, feasible_, half, rng);
  for (size_t i = 0; i < others.rows(); ++i) candidates.add(others.row(i));
  // What is known to be good, and the prior, made members.
  for (size_t i = 0; i < swarm_.runs.size(); ++i) {
    if (feasible_.contains(swarm_.mixtures.row(i))) candidates.add(swarm_.mixtures.row(i));
  }
  if (const auto member = feasible_.project(result_.prior)) candidates.add(*member);
  return candidates;
}

// Whether there is no reason to prefer one of these mixtures to another.
bool FitProposal::knows_no_difference() const {
  if (is_one_mixture(candidates_)) return false;
  if (std::none_of(sampled_.begin(), sampled_.end(), [](const SampledRange& range) {
        return range.varies();
      }))
    return true;  // whatever a predictor makes of a single mixture
  return is_flat(fit_goal_.terms(), candidates_);
}

void FitProposal::climb() {
  Progress progress("climb", static_cast<int64_t>(starts_.rows()), "climbs");
  const Optimum optimum = maximise(goal_, feasible_, starts_, config_.threads, &progress);
  result_.mixture = optimum.merge_weights;
  result_.starts = optimum.starts;
  result_.agreed = optimum.agreed;
  result_.smooth = optimum.smooth;
  result_.by_moves = optimum.by_moves;
}

// Where no mixture is better than another, an optimum would be an arbitrary one.
bool FitProposal::take_prior_if_flat() {
  if (!knows_no_difference()) return false;
  const auto member = feasible_.project(result_.prior);
  if (!member || !std::isfinite(goal_at(goal_, *member))) return false;
  const bool moved = l1_distance(*member, result_.prior) > 1e-6;
  warn(
      "As far as the runs show, the goal does not depend on the mixture: the prior is "
      "proposed{}, for want of a reason to leave it.",
      moved ? ", moved to where the constraints hold" : "");
  result_.mixture = *member;
  return true;
}

void FitProposal::draw_front() {
  if (config_.front == 0) return;
  // Metrics without a weight keep their floors behind those that the front is over.
  std::vector<GoalTerm> terms, others;
  for (GoalTerm& term : fit_goal_.terms()) {
    const FitMetric& metric = fit_goal_.metric_of(term);
    const bool counts = metric.weight > 0 && !metric.lacks_evidence();
    if (counts) result_.front_metrics.push_back(metric.name);
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
  Points some(starts_.columns());
  for (size_t i = 0; i < std::min(kStarts, starts_.rows()); ++i) some.add(starts_.row(i));
  result_.front = pareto_front(std::span(terms).first(counted),
                               std::span(terms).subspan(counted),
                               feasible_,
                               some,
                               static_cast<size_t>(config_.front),
                               config_.threads);
}

// The paper's choice.
void FitProposal::average() {
  std::vector<size_t> order(values_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return values_[a] > values_[b]; });
  const auto finite = static_cast<size_t>(std::count_if(
      values_.begin(), values_.end(), [](double value) { return std::isfinite(value); }));
  if (finite < static_cast<size_t>(config_.average_of)) {
    warn(
        "average_of is {}, but only {} of the random mixtures keep the floors: no more were "
        "averaged. A larger number of candidates draws more.",
        config_.average_of,
        finite);
  }
  order.resize(std::min(finite, static_cast<size_t>(config_.average_of)));
  Average average = average_of_best(goal_, fit_goal_.terms(), feasible_, candidates_, order);
  result_.mixture = std::move(average.mixture);
  if (!average.warning.empty()) result_.warnings.push_back(average.warning);
}

void FitProposal::foretell() {
  const Points found = one_row(result_.mixture), prior = one_row(result_.prior);
  const auto interval = [](const Forecast& forecast) {
    const double reach = kNinetyPercent * forecast.deviation();
    return Interval{forecast.mean, forecast.mean - reach, forecast.mean + reach};
  };
  for (const FitMetric& metric : metrics_) {
    result_.predicted.push_back(interval(metric.predictor->forecast(found)[0]));
    result_.predicted_prior.push_back(interval(metric.predictor->forecast(prior)[0]));
  }
  result_.goal = goal_.values(found)[0];
  result_.goal_prior = goal_.values(prior)[0];
  measure_divergence();
}

// The prior may leave out datasets as long as the divergence has no part in the goal.
void FitProposal::measure_divergence() {
  std::vector<std::string> outside;
  for (size_t j = 0; j < result_.mixture.size(); ++j) {
    if (result_.prior[j] == 0 && result_.mixture[j] >= kCrumb)
      outside.push_back(swarm_.datasets[j]);
  }
  result_.kl = std::max(fit_goal_.divergence(result_.mixture), 0.0);
  if (outside.empty()) return;
  result_.kl = kInfinity;
  warn(
      "The divergence from the prior is infinite: the prior leaves out {}, the mixture does not. "
      "What stands beside it for the prior is without.",
      fmt::join(outside, ", "));
}

void FitProposal::warn_of_extrapolation() {
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

}  // namespace demix
