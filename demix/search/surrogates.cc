#include "demix/search/surrogates.h"

#include <algorithm>
#include <cmath>

namespace demix {

bool compares_predictors(const SearchConfig& config) {
  return config.predictor == "auto" || config.predictor == kEnsemble;
}

FittedTarget fit_target(const SearchConfig& config,
                        const std::string& target,
                        const Points& mixtures,
                        const std::vector<double>& scores,
                        std::span<const int> folds) {
  const auto names =
      compares_predictors(config) ? competitor_names() : std::vector<std::string>{config.predictor};
  FittedTarget fitted{.name = target, .tournament = {.names = names}, .predictor = nullptr};
  if (!folds.empty())
    fitted.tournament = compete(names, config.predictors, mixtures, scores, {}, folds, 0);
  fitted.chosen = fitted.tournament.winner;
  if (config.predictor == kEnsemble) fitted.chosen = names.size() - 1;
  fitted.evidence = evidence_of(fitted.tournament, fitted.chosen, scores);
  fitted.predictor =
      fitted_competitor(fitted.tournament, fitted.chosen, config.predictors, mixtures, scores, {});
  return fitted;
}

bool settle_target(FittedTarget& fitted,
                   const Points& mixtures,
                   const std::vector<double>& scores,
                   std::span<const int> folds) {
  if (!fitted.lacks_evidence() || fitted.tournament.names[fitted.chosen] == kMean) return false;
  fitted.chosen = add_mean(fitted.tournament, mixtures, scores, folds);
  fitted.predictor = fitted_competitor(fitted.tournament, fitted.chosen, {}, mixtures, scores, {});
  return true;
}

void Surrogates::fit(std::vector<int> folds) {
  folds_ = std::move(folds);
  const Points& mixtures = observations_.mixtures();
  domains_.clear();
  for (size_t d = 0; d < objective_.domains().size(); ++d)
    domains_.push_back(fit_target(
        config_, objective_.domains()[d], mixtures, observations_.domain_scores(d), folds_));
  floors_.clear();
  for (size_t m : search_goal_.metrics_with_floors())
    floors_.push_back(fit_target(config_,
                                 objective_.metrics()[m].name,
                                 mixtures,
                                 observations_.values_of_metric(m),
                                 folds_));
}

bool Surrogates::settle() {
  const bool evidence = std::any_of(domains_.begin(), domains_.end(), [](const FittedTarget& fit) {
    return fit.evidence && fit.evidence->shown();
  });
  if (evidence) return false;
  const Points& mixtures = observations_.mixtures();
  bool changed = false;
  for (size_t d = 0; d < domains_.size(); ++d)
    changed |= settle_target(domains_[d], mixtures, observations_.domain_scores(d), folds_);
  for (size_t k = 0; k < floors_.size(); ++k) {
    const size_t m = search_goal_.metrics_with_floors()[k];
    changed |= settle_target(floors_[k], mixtures, observations_.values_of_metric(m), folds_);
  }
  return changed;
}

std::vector<double> Surrogates::set_goal(const Points& candidates) {
  candidate_scores_ = predict(candidates);
  std::vector<Learned> domains, floors;
  for (size_t d = 0; d < domains_.size(); ++d)
    domains.push_back(learned(domains_[d], observations_.domain_scores(d)));
  const auto& metrics = search_goal_.metrics_with_floors();
  for (size_t k = 0; k < metrics.size(); ++k)
    floors.push_back(learned(floors_[k], observations_.values_of_metric(metrics[k])));
  terms_ = search_goal_.terms(domains, floors, candidate_scores_);
  goal_ = goal_of(terms_);
  return search_goal_.plain_rank() ? mean_percentile_rank(candidate_scores_)
                                   : goal_.values(candidates);
}

Learned Surrogates::learned(const FittedTarget& fitted, std::vector<double> scores) const {
  const Predictor& predictor = *fitted.predictor;
  return {&predictor, std::move(scores), predictor.predict(observations_.mixtures())};
}

std::vector<std::vector<double>> Surrogates::predict(const Points& mixtures) const {
  std::vector<std::vector<double>> scores;
  for (const auto& fitted : domains_) scores.push_back(fitted.predictor->predict(mixtures));
  return scores;
}

std::vector<GoalForecast> Surrogates::forecast(const Points& mixtures) const {
  auto forecasts = forecast_goal(terms_, mixtures);
  const auto values = goal_.values(mixtures);
  for (size_t i = 0; i < forecasts.size(); ++i) {
    if (!std::isfinite(values[i])) forecasts[i].mean = values[i];
  }
  return forecasts;
}

double Surrogates::measured_goal(std::span<const double> domain_scores) const {
  double goal = 0;
  for (size_t d = 0; d < domain_scores.size(); ++d) {
    const GoalTerm& term = terms_[d];
    goal += term.weight * (term.rank ? (*term.rank)(domain_scores[d]) : domain_scores[d]);
  }
  return goal;
}

double Surrogates::percentile_among_candidates(size_t domain, double score) const {
  const auto& all = candidate_scores_[domain];
  const auto [least, most] = std::minmax_element(all.begin(), all.end());
  if (*least == *most) return 0.5;  // as percentile_ranks has it
  const auto no_better =
      std::count_if(all.begin(), all.end(), [&](double other) { return other <= score; });
  return static_cast<double>(no_better) / static_cast<double>(all.size());
}

}  // namespace demix
