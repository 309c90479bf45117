#include "demix/search/prediction_goal.h"

#include <algorithm>
#include <cmath>

namespace demix {
namespace {

constexpr int kKnots = 33;
constexpr double kFloorTolerance = 1e-7;  // of a score's standard deviation

double score_of(const GoalTerm& term, double prediction) {
  const double score = term.sign * prediction;
  return term.rank ? (*term.rank)(score) : score;
}

}  // namespace

RankScale::RankScale(std::span<const double> scores) {
  std::vector<double> sorted(scores.begin(), scores.end());
  std::sort(sorted.begin(), sorted.end());
  const double last = static_cast<double>(sorted.size()) - 1;
  for (int k = 0; k < kKnots && !sorted.empty(); ++k) {
    const double rank = static_cast<double>(k) / (kKnots - 1);
    const double score = sorted[static_cast<size_t>(std::lround(rank * last))];
    if (!scores_.empty() && !(score > scores_.back())) {
      ranks_.back() = rank;  // equal scores have the highest of their ranks
      continue;
    }
    scores_.push_back(score);
    ranks_.push_back(rank);
  }
  const size_t n = scores_.size();
  if (n < 2) return;
  std::vector<double> rise;
  for (size_t k = 0; k + 1 < n; ++k)
    rise.push_back((ranks_[k + 1] - ranks_[k]) / (scores_[k + 1] - scores_[k]));
  slopes_.assign(n, 0);
  for (size_t k = 1; k + 1 < n; ++k)
    slopes_[k] = 2 * rise[k - 1] * rise[k] / (rise[k - 1] + rise[k]);
  const auto outer = [&](size_t from, size_t to) {
    return (ranks_[to] - ranks_[from]) / (scores_[to] - scores_[from]);
  };
  size_t tenth = n - 2;
  while (tenth > 0 && ranks_[tenth] > 0.9) --tenth;
  // Monotone as long as no slope is above three times the rise beside it.
  slopes_[n - 1] = std::min(outer(tenth, n - 1), 3 * rise.back());
  slopes_[0] = std::min(outer(0, 1), 3 * rise.front());
}

std::pair<double, double> RankScale::at(double score) const {
  if (scores_.size() < 2) return {0.5, 0};
  const size_t n = scores_.size();
  if (score <= scores_[0]) return {ranks_[0] + slopes_[0] * (score - scores_[0]), slopes_[0]};
  if (score >= scores_[n - 1])
    return {ranks_[n - 1] + slopes_[n - 1] * (score - scores_[n - 1]), slopes_[n - 1]};
  const auto above = std::upper_bound(scores_.begin(), scores_.end(), score);
  const auto k = static_cast<size_t>(above - scores_.begin()) - 1;
  const double width = scores_[k + 1] - scores_[k], t = (score - scores_[k]) / width;
  const double s0 = width * slopes_[k], s1 = width * slopes_[k + 1];
  const double rise = ranks_[k + 1] - ranks_[k];
  // Hermite: y0 + t s0 + t² (3 rise - 2 s0 - s1) + t³ (s0 + s1 - 2 rise)
  const double b = 3 * rise - 2 * s0 - s1, c = s0 + s1 - 2 * rise;
  return {ranks_[k] + t * (s0 + t * (b + t * c)), (s0 + t * (2 * b + 3 * t * c)) / width};
}

double floor_below(double score, double most_lost) { return score - most_lost * std::abs(score); }

double goal_at(const Goal& goal, std::span<const double> mixture) {
  Points here(mixture.size());
  here.add(mixture);
  return goal.values(here)[0];
}

std::vector<double> without_crumbs(std::vector<double> weights,
                                   double least,
                                   const FeasibleSet& feasible,
                                   const Goal& goal) {
  std::vector<bool> crumbs;
  for (double weight : weights) crumbs.push_back(weight < least);
  auto without = feasible.project(weights, crumbs);
  if (!without) return weights;
  for (size_t k = 0; k < crumbs.size(); ++k)
    if (crumbs[k]) (*without)[k] = 0;  // but for rounding they are
  return std::isfinite(goal_at(goal, *without)) ? *without : weights;
}

bool is_one_mixture(const Points& mixtures) {
  for (size_t i = 1; i < mixtures.rows(); ++i)
    if (l1_distance(mixtures.row(0), mixtures.row(i)) > 1e-6) return false;
  return true;
}

bool is_flat(std::span<const GoalTerm> terms, const Points& mixtures) {
  if (is_one_mixture(mixtures)) return false;
  Points few(mixtures.columns());
  for (size_t i = 0; i < std::min<size_t>(mixtures.rows(), 100); ++i) few.add(mixtures.row(i));
  // A few tell nearly always; all are costly.
  for (const Points* points : {static_cast<const Points*>(&few), &mixtures}) {
    for (const GoalTerm& term : terms) {
      if (term.weight == 0 || !(term.deviation > 0)) continue;
      const auto predicted = term.predictor->predict(*points);
      const auto [least, most] = std::minmax_element(predicted.begin(), predicted.end());
      if (*most - *least > 1e-3 * term.deviation) return false;
    }
  }
  return true;
}

BrokenFloor nearest_broken_floor(std::span<const GoalTerm> terms, const Points& mixtures) {
  std::vector<double> worst(mixtures.rows(), -std::numeric_limits<double>::infinity());
  std::vector<const GoalTerm*> by(mixtures.rows());
  for (const GoalTerm& term : terms) {
    if (!term.floor) continue;
    const auto predicted = term.predictor->predict(mixtures);
    for (size_t i = 0; i < worst.size(); ++i) {
      const double missed = (*term.floor - term.sign * predicted[i]) / term.deviation;
      if (by[i] && missed <= worst[i]) continue;
      worst[i] = missed;
      by[i] = &term;
    }
  }
  const auto best = std::min_element(worst.begin(), worst.end());
  const GoalTerm* term = by[static_cast<size_t>(best - worst.begin())];
  DEMIX_CHECK(term);
  return {term->name, term->sign * *term->floor, *best * term->deviation};
}

Error no_mixture_keeps_floors(std::span<const GoalTerm> terms, const Points& mixtures) {
  const BrokenFloor nearest = nearest_broken_floor(terms, mixtures);
  return Error(
      "no mixture among {} that meet the constraints keeps all floors: the nearest misses that of "
      "{} ({:.6g}) by {:.3g}",
      mixtures.rows(),
      nearest.name,
      nearest.floor,
      nearest.missed);
}

std::vector<GoalForecast> forecast_goal(std::span<const GoalTerm> terms, const Points& mixtures) {
  std::vector<GoalForecast> result(mixtures.rows());
  for (const GoalTerm& term : terms) {
    if (term.weight == 0) continue;
    const auto forecasts = term.predictor->forecast(mixtures);
    for (size_t i = 0; i < result.size(); ++i) {
      const double score = term.sign * forecasts[i].mean;
      const double slope = term.rank ? term.rank->slope(score) : 1;
      result[i].mean += term.weight * score_of(term, forecasts[i].mean);
      result[i].uncertainty =
          std::hypot(result[i].uncertainty, term.weight * slope * forecasts[i].uncertainty);
    }
  }
  return result;
}

Goal goal_of(std::vector<GoalTerm> terms, double caution) {
  const auto shared = std::make_shared<const std::vector<GoalTerm>>(std::move(terms));
  Goal goal;
  goal.values = [shared, caution](const Points& points) {
    std::vector<double> values(points.rows());
    if (caution > 0) {
      const auto forecasts = forecast_goal(*shared, points);
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = forecasts[i].mean - caution * forecasts[i].uncertainty;
    }
    for (const GoalTerm& term : *shared) {
      const bool counts = caution == 0 && term.weight != 0;
      if (!counts && !term.floor) continue;
      const auto predicted = term.predictor->predict(points);
      for (size_t i = 0; i < values.size(); ++i) {
        if (counts) values[i] += term.weight * score_of(term, predicted[i]);
        if (term.floor && term.sign * predicted[i] < *term.floor - kFloorTolerance * term.deviation)
          values[i] = -std::numeric_limits<double>::infinity();
      }
    }
    return values;
  };
  goal.slope = [shared](std::span<const double> p, std::span<double> gradient) {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    double value = 0;
    std::vector<double> one(p.size());
    for (const GoalTerm& term : *shared) {
      if (term.weight == 0) continue;
      const double score = term.sign * term.predictor->slope(p, one);
      const double by_score = term.weight * (term.rank ? term.rank->slope(score) : 1);
      value += term.weight * (term.rank ? (*term.rank)(score) : score);
      for (size_t j = 0; j < p.size(); ++j) gradient[j] += by_score * term.sign * one[j];
    }
    return value;
  };
  for (size_t k = 0; k < shared->size(); ++k) {
    // Part of a prediction cannot be compared with the floor; moves keep that one.
    if (!(*shared)[k].floor || !(*shared)[k].predictor->smooth()) continue;
    goal.limits.push_back([shared, k](std::span<const double> p, std::span<double> gradient) {
      const GoalTerm& term = (*shared)[k];
      const double score = term.sign * term.predictor->slope(p, gradient);
      for (double& g : gradient) g *= -term.sign / term.deviation;
      return (*term.floor - score) / term.deviation;
    });
  }
  return goal;
}

}  // namespace demix
