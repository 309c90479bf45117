// Domain scores out of metrics, and the paper's objective over them: the mean percentile rank. What
// a search makes large is search_goal.h's.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

namespace demix {

// One number per model that counts: a task's chosen metric, or a column of a swarm.
struct Metric {
  std::string name;    // "arc_easy"
  std::string domain;  // "general"
  bool higher_is_better = true;
};

struct Measurement {
  double value = 0;
  double standard_error = 0;  // 0: not known
};

// Metric name to measurement, of one model.
using Measurements = std::map<std::string, Measurement>;

// A domain's score is the mean of its metrics, each oriented so that higher is better.
class Objective {
 public:
  // Throws Error when there are no metrics or a name comes twice. Domains keep the order of their
  // first metric.
  explicit Objective(std::vector<Metric> metrics);

  const std::vector<Metric>& metrics() const { return metrics_; }
  const std::vector<std::string>& domains() const { return domains_; }

  // One oriented value per metric. Throws Error naming `mixture` and the metric when one is missing
  // or not finite: what was not measured is not zero.
  std::vector<double> oriented(const Measurements& measurements, const std::string& mixture) const;
  // One score per domain from one oriented value per metric.
  std::vector<double> domain_scores(std::span<const double> oriented) const;
  // Standard error of each domain's score, the metrics' errors taken as independent; 0 where
  // unknown.
  std::vector<double> domain_errors(const Measurements& measurements) const;

 private:
  std::vector<Metric> metrics_;
  std::vector<std::string> domains_;
  std::vector<size_t> domain_of_;  // by metric
};

// Share of the values that are no larger, in (0, 1]; ties share their mean rank. The best has 1.
std::vector<double> percentile_ranks(std::span<const double> values);

// The objective of each candidate among all of them, in (0, 1]: scores[d][i] is candidate i's score
// on domain d, higher is better.
std::vector<double> mean_percentile_rank(std::span<const std::vector<double>> scores);

}  // namespace demix
