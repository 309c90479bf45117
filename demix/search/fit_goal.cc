#include "demix/search/fit_goal.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/search/tolerance.h"

namespace demix {

FitGoal::FitGoal(const FitConfig& config,
                 std::vector<FitMetric>& metrics,
                 std::span<const double> prior)
    : config_(config), metrics_(metrics), prior_(prior) {
  Points base(prior.size());
  base.add(prior);
  for (FitMetric& metric : metrics) {
    if (!metric.most_lost) continue;
    if (metric.deviation == 0) {
      metric.most_lost.reset();  // constant scores lose nothing
      continue;
    }
    const double score = metric.sign * metric.predictor->predict(base)[0];
    metric.floor = floor_below(score, *metric.most_lost);
  }
}

void FitGoal::rank_among(const Points& candidates) {
  for (FitMetric& metric : metrics_) {
    if (metric.weight == 0) continue;
    std::vector<double> scores = metric.predictor->predict(candidates);
    for (double& score : scores) score *= metric.sign;
    metric.rank.emplace(scores);
  }
}

std::vector<GoalTerm> FitGoal::terms() const {
  std::vector<GoalTerm> terms;
  for (const FitMetric& metric : metrics_) {
    if (metric.weight == 0 && !metric.most_lost) continue;
    terms.push_back({.name = metric.name,
                     .predictor = metric.predictor.get(),
                     .sign = metric.sign,
                     .weight = metric.weight,
                     .rank = metric.rank,
                     .deviation = metric.deviation,
                     .floor = metric.most_lost ? std::optional(metric.floor) : std::nullopt});
  }
  return terms;
}

Goal FitGoal::goal() const {
  Goal goal = goal_of(terms());
  if (config_.kl == 0) return goal;
  const auto values = goal.values;
  goal.values = [this, values](const Points& points) {
    auto regularised = values(points);
    for (size_t i = 0; i < regularised.size(); ++i)
      regularised[i] -= config_.kl * divergence(points.row(i));
    return regularised;
  };
  const auto slope = goal.slope;
  goal.slope = [this, slope](std::span<const double> p, std::span<double> gradient) {
    const double value = slope(p, gradient);
    return value - config_.kl * divergence(p, -config_.kl, gradient);
  };
  return goal;
}

double FitGoal::divergence(std::span<const double> p) const { return divergence(p, 0, {}); }

// Its derivatives times `scale` are added to `gradient`.
double FitGoal::divergence(std::span<const double> p,
                           double scale,
                           std::span<double> gradient) const {
  double sum = 0;
  for (size_t j = 0; j < p.size(); ++j) {
    if (prior_[j] == 0) continue;  // excluded wherever the divergence counts
    const double log = std::log(std::max(p[j], 1e-12) / prior_[j]);
    if (p[j] > 0) sum += p[j] * log;
    if (!gradient.empty()) gradient[j] += scale * (log + 1);
  }
  return sum;
}

const FitMetric& FitGoal::metric_of(const GoalTerm& term) const {
  const auto found = std::find_if(metrics_.begin(), metrics_.end(), [&](const FitMetric& metric) {
    return metric.name == term.name;
  });
  DEMIX_CHECK(found != metrics_.end());
  return *found;
}

double FitGoal::error(const Swarm& swarm, std::span<const double> here) const {
  const auto terms = this->terms();
  std::vector<MeasuredTerm> measured;
  for (size_t m = 0; m < metrics_.size(); ++m) {
    const FitMetric& metric = metrics_[m];
    if (metric.weight == 0 && !metric.most_lost) continue;  // no term
    if (metric.tournament.results.empty()) {                // too few runs to leave any out
      Points point(here.size());
      point.add(here);
      return expected_goal_deviation(terms, point);
    }
    measured.push_back({swarm.scores[m], metric.tournament.results[metric.chosen].forecasts});
  }
  return goal_deviation(terms, measured);
}

}  // namespace demix
