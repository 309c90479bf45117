#include "demix/search/pareto.h"

#include <algorithm>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/rng.h"
#include "demix/search/sampler.h"

namespace demix {
namespace {

constexpr double kCrumb = 1e-7;  // smaller weights are none

// Weights over the domains: each alone, all alike, then the middles of pairs, then draws.
std::vector<std::vector<double>> directions(size_t domains, size_t count) {
  // A little of every other domain, so that of equal optima one is taken that is best elsewhere.
  constexpr double kLittle = 1e-3;
  std::vector<std::vector<double>> weights;
  for (size_t d = 0; d < domains; ++d) {
    weights.emplace_back(domains, kLittle);
    weights.back()[d] = 1;
  }
  weights.emplace_back(domains, 1.0 / static_cast<double>(domains));
  for (size_t d = 0; d < domains; ++d) {
    for (size_t e = 0; e < d; ++e) {
      weights.emplace_back(domains, kLittle);
      weights.back()[d] = weights.back()[e] = 0.5;
    }
  }
  Rng rng(0);
  while (weights.size() < count)
    weights.push_back(rng.dirichlet(std::vector<double>(domains, 1.0)));
  weights.resize(std::min(weights.size(), count));
  return weights;
}

}  // namespace

std::vector<size_t> not_dominated(std::span<const std::vector<double>> scores) {
  DEMIX_CHECK(!scores.empty());
  const size_t rows = scores[0].size();
  std::vector<size_t> front;
  for (size_t i = 0; i < rows; ++i) {
    const auto dominates = [&](size_t other) {
      bool better = false;
      for (const auto& domain : scores) {
        if (domain[other] < domain[i]) return false;
        better |= domain[other] > domain[i];
      }
      return better || other < i;
    };
    bool kept = true;
    for (size_t other = 0; other < rows && kept; ++other) kept = other == i || !dominates(other);
    if (kept) front.push_back(i);
  }
  return front;
}

std::vector<FrontPoint> pareto_front(std::span<const GoalTerm> domains,
                                     std::span<const GoalTerm> further_floors,
                                     const FeasibleSet& feasible,
                                     const Points& starts,
                                     size_t count,
                                     int threads) {
  DEMIX_CHECK(!domains.empty());
  Points optima(starts.columns());
  for (const auto& weights : directions(domains.size(), count)) {
    std::vector<GoalTerm> terms(domains.begin(), domains.end());
    for (size_t d = 0; d < terms.size(); ++d) {
      terms[d].weight = terms[d].deviation > 0 ? weights[d] / terms[d].deviation : 0;
      terms[d].rank.reset();
    }
    for (const GoalTerm& term : further_floors) {
      terms.push_back(term);
      terms.back().weight = 0;
    }
    const Goal goal = goal_of(std::move(terms));
    optima.add(without_crumbs(
        maximise(goal, feasible, starts, threads).merge_weights, kCrumb, feasible, goal));
  }
  constexpr double kSame = 1e-3;  // L1
  Points mixtures(starts.columns());
  for (size_t i : distinct_rows(optima, kSame)) mixtures.add(optima.row(i));
  std::vector<std::vector<double>> scores, uncertainties;
  for (const GoalTerm& term : domains) {
    scores.emplace_back();
    uncertainties.emplace_back();
    for (const Forecast& forecast : term.predictor->forecast(mixtures)) {
      scores.back().push_back(term.sign * forecast.mean);
      uncertainties.back().push_back(forecast.uncertainty);
    }
  }
  std::vector<FrontPoint> front;
  for (size_t i : not_dominated(scores)) {
    const auto row = mixtures.row(i);
    front.push_back({.merge_weights = {row.begin(), row.end()}, .scores = {}, .uncertainties = {}});
    for (size_t d = 0; d < domains.size(); ++d) {
      front.back().scores.push_back(scores[d][i]);
      front.back().uncertainties.push_back(uncertainties[d][i]);
    }
  }
  std::stable_sort(front.begin(), front.end(), [](const FrontPoint& a, const FrontPoint& b) {
    return a.scores[0] < b.scores[0];
  });
  return front;
}

}  // namespace demix
