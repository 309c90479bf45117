#include "demix/search/search_goal.h"

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

size_t place_of(const std::string& name, const std::vector<std::string>& names) {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

double deviation_of(const std::vector<double>& scores) {
  return scores.size() > 1 ? standard_deviation(scores) : 0;
}

}  // namespace

double deviation_over(std::span<const double> candidate_scores, const Learned& learned) {
  double left = 0;
  for (size_t i = 0; i < learned.scores.size(); ++i)
    left += std::pow(learned.scores[i] - learned.predicted[i], 2);
  left /= std::max(1.0, static_cast<double>(learned.scores.size()));
  const double varies = candidate_scores.size() > 1 ? standard_deviation(candidate_scores) : 0;
  return std::hypot(varies, std::sqrt(left));
}

SearchGoal::SearchGoal(const SearchConfig& config,
                       const Objective& objective,
                       const Composition& composition,
                       std::span<const double> prior)
    : config_(config), objective_(objective), base_(prior.size()) {
  check_names(config, objective, composition.datasets());
  plain_rank_ = config.objective == "rank" && config.weights.empty() && config.floors.empty();

  const auto& domains = objective.domains();
  weights_.assign(domains.size(), config.weights.empty() ? 1 : 0);
  for (const auto& [name, weight] : config.weights) weights_[place_of(name, domains)] = weight;
  double sum = 0;
  for (double weight : weights_) sum += weight;
  if (!(sum > 0)) throw Error("weights: no domain has a weight above 0: nothing to optimise");
  for (double& weight : weights_) weight /= sum;

  std::vector<std::string> metrics;
  for (const Metric& metric : objective.metrics()) metrics.push_back(metric.name);
  for (const auto& [name, most_lost] : config.floors) {
    // Of a domain and a metric with the same name the domain is meant.
    if (place_of(name, domains) == domains.size())
      metrics_with_floors_.push_back(place_of(name, metrics));
  }

  if (config.current.empty()) {
    base_.add(prior);
    return;
  }
  std::vector<double> shares(composition.datasets().size());
  double total = 0;
  for (const auto& [name, share] : config.current)
    total += shares[place_of(name, composition.datasets())] = share;
  for (double& share : shares) share /= total;
  base_.add(composition.project(shares).merge_weights);
}

std::vector<GoalTerm> SearchGoal::terms(
    std::span<const Learned> domains,
    std::span<const Learned> floors,
    std::span<const std::vector<double>> candidate_scores) const {
  std::vector<GoalTerm> terms;
  for (size_t d = 0; d < domains.size(); ++d) {
    GoalTerm term{.name = objective_.domains()[d],
                  .predictor = domains[d].predictor,
                  .sign = 1,
                  .weight = weights_[d],
                  .rank = std::nullopt,
                  .deviation = deviation_of(domains[d].scores),
                  .floor = std::nullopt};
    if (config_.objective == "rank") {
      term.rank = RankScale(candidate_scores[d]);
    } else {
      // Constant scores say nothing of mixtures.
      term.weight =
          term.deviation > 0 ? weights_[d] / deviation_over(candidate_scores[d], domains[d]) : 0;
    }
    set_floor(term);
    terms.push_back(std::move(term));
  }
  for (size_t k = 0; k < floors.size(); ++k) {
    const Metric& metric = objective_.metrics()[metrics_with_floors_[k]];
    GoalTerm term{.name = metric.name,
                  .predictor = floors[k].predictor,
                  .sign = metric.higher_is_better ? 1.0 : -1.0,
                  .weight = 0,
                  .rank = std::nullopt,
                  .deviation = deviation_of(floors[k].scores),
                  .floor = std::nullopt};
    set_floor(term);
    terms.push_back(std::move(term));
  }
  return terms;
}

void SearchGoal::set_floor(GoalTerm& term) const {
  const auto floor = config_.floors.find(term.name);
  // Constant scores lose nothing.
  if (floor == config_.floors.end() || !(term.deviation > 0)) return;
  term.floor = floor_below(term.sign * term.predictor->predict(base_)[0], floor->second);
}

}  // namespace demix
