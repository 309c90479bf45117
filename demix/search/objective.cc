#include "demix/search/objective.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {

Objective::Objective(std::vector<Metric> metrics) : metrics_(std::move(metrics)) {
  if (metrics_.empty()) throw Error("there is no metric to search by");
  std::set<std::string_view> seen;
  for (const Metric& metric : metrics_) {
    if (!seen.insert(metric.name).second) throw Error("metric '{}' is named twice", metric.name);
    const auto found = std::find(domains_.begin(), domains_.end(), metric.domain);
    domain_of_.push_back(static_cast<size_t>(found - domains_.begin()));
    if (found == domains_.end()) domains_.push_back(metric.domain);
  }
}

std::vector<double> Objective::oriented(const Measurements& measurements,
                                        const std::string& mixture) const {
  std::vector<double> values;
  for (const Metric& metric : metrics_) {
    const auto found = measurements.find(metric.name);
    if (found == measurements.end())
      throw Error("{}: no score for metric '{}'", mixture, metric.name);
    const double value = found->second.value;
    if (!std::isfinite(value))
      throw Error("{}: the score of metric '{}' is {}", mixture, metric.name, value);
    values.push_back(metric.higher_is_better ? value : -value);
  }
  return values;
}

std::vector<double> Objective::domain_scores(std::span<const double> oriented) const {
  DEMIX_CHECK(oriented.size() == metrics_.size());
  std::vector<double> sum(domains_.size()), count(domains_.size());
  for (size_t m = 0; m < oriented.size(); ++m) {
    sum[domain_of_[m]] += oriented[m];
    ++count[domain_of_[m]];
  }
  for (size_t d = 0; d < sum.size(); ++d) sum[d] /= count[d];
  return sum;
}

std::vector<double> Objective::domain_errors(const Measurements& measurements) const {
  std::vector<double> squares(domains_.size()), count(domains_.size());
  std::vector<bool> known(domains_.size(), true);
  for (size_t m = 0; m < metrics_.size(); ++m) {
    const auto found = measurements.find(metrics_[m].name);
    const double error = found == measurements.end() ? 0 : found->second.standard_error;
    if (!(error > 0 && std::isfinite(error))) known[domain_of_[m]] = false;
    squares[domain_of_[m]] += error * error;
    ++count[domain_of_[m]];
  }
  for (size_t d = 0; d < squares.size(); ++d) {
    squares[d] = known[d] ? std::sqrt(squares[d]) / count[d] : 0;
  }
  return squares;
}

std::vector<double> percentile_ranks(std::span<const double> values) {
  auto ranks = mean_ranks(values);
  for (double& rank : ranks) rank /= static_cast<double>(values.size());
  return ranks;
}

std::vector<double> mean_percentile_rank(std::span<const std::vector<double>> scores) {
  DEMIX_CHECK(!scores.empty());
  std::vector<double> result(scores[0].size());
  for (const auto& domain : scores) {
    DEMIX_CHECK(domain.size() == result.size());
    const auto ranks = percentile_ranks(domain);
    for (size_t i = 0; i < result.size(); ++i)
      result[i] += ranks[i] / static_cast<double>(scores.size());
  }
  return result;
}

}  // namespace demix
