#include "demix/search/observations.h"

namespace demix {

EvaluatedMixture& Observations::add(int round,
                                    std::span<const double> merge_weights,
                                    const Measurements& measured,
                                    const std::string& name) {
  EvaluatedMixture proxy;
  proxy.round = round;
  proxy.merge_weights.assign(merge_weights.begin(), merge_weights.end());
  proxy.data_shares = composition_.data_shares(merge_weights);
  proxy.domain_scores = objective_.domain_scores(objective_.oriented(measured, name));
  proxy.domain_errors = objective_.domain_errors(measured);
  for (const Metric& metric : objective_.metrics())
    proxy.metrics.push_back(measured.at(metric.name));
  mixtures_.add(merge_weights);
  return proxies_.emplace_back(std::move(proxy));
}

std::vector<double> Observations::domain_scores(size_t domain) const {
  std::vector<double> scores;
  for (const auto& proxy : proxies_) scores.push_back(proxy.domain_scores[domain]);
  return scores;
}

std::vector<double> Observations::values_of_metric(size_t metric) const {
  std::vector<double> values;
  for (const auto& proxy : proxies_) values.push_back(proxy.metrics[metric].value);
  return values;
}

std::vector<EvaluatedMixture> Observations::ranked() const {
  std::vector<std::vector<double>> scores;
  for (size_t d = 0; d < objective_.domains().size(); ++d) scores.push_back(domain_scores(d));
  const auto objective = mean_percentile_rank(scores);
  std::vector<EvaluatedMixture> proxies = proxies_;
  for (size_t i = 0; i < objective.size(); ++i) proxies[i].objective = objective[i];
  return proxies;
}

}  // namespace demix
