#include "demix/search/swarm_outliers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include "demix/core/error.h"
#include "demix/search/swarm_median.h"

namespace demix {
namespace {

constexpr double kFar = 10;               // robust standard deviations
constexpr double kLeastDeviation = 0.02;  // of the median
constexpr double kOfNormal = 1.4826;      // standard deviation by median absolute deviation
constexpr size_t kFewestRuns = 8, kMostSentences = 5;

// By run, how many robust deviations a score lies from the median; 0: not apart.
std::vector<double> times_apart(std::span<const double> scores, double least_deviation) {
  const double median = median_of({scores.begin(), scores.end()});
  std::vector<double> distances, moved, times(scores.size());
  for (double score : scores) {
    distances.push_back(std::abs(score - median));
    // Of scores in steps most may be alike.
    if (distances.back() > 0) moved.push_back(distances.back());
  }
  if (moved.empty()) return times;
  const double deviation = std::max(kOfNormal * median_of(moved), least_deviation);
  double farthest_near = 0;
  for (double distance : distances)
    if (distance <= kFar * deviation) farthest_near = std::max(farthest_near, distance);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (distances[i] > kFar * deviation && distances[i] > 2 * farthest_near)
      times[i] = distances[i] / deviation;
  }
  return times;
}

// The same, in logarithms too: perplexities are spread far upwards.
std::vector<double> far_scores(const std::vector<double>& scores) {
  auto times = times_apart(scores, kLeastDeviation * std::abs(median_of(scores)));
  if (*std::min_element(scores.begin(), scores.end()) > 0) {
    std::vector<double> logarithms;
    for (double score : scores) logarithms.push_back(std::log(score));
    const auto also = times_apart(logarithms, 0);
    for (size_t i = 0; i < times.size(); ++i)
      if (also[i] == 0) times[i] = 0;
  }
  const auto apart = times.size() - static_cast<size_t>(std::count(times.begin(), times.end(), 0));
  if (apart > std::max<size_t>(1, scores.size() / 20)) times.assign(scores.size(), 0);
  return times;
}

}  // namespace

std::vector<std::string> outlier_warnings(const Swarm& swarm, const std::string& file) {
  struct Found {
    size_t metric, metrics;
    double times;
  };
  std::map<size_t, Found> found;           // by run, with its farthest metric
  std::vector<std::vector<double>> times;  // by metric, then by run
  if (swarm.runs.size() < kFewestRuns) return {};
  for (size_t m = 0; m < swarm.metrics.size(); ++m) {
    times.push_back(far_scores(swarm.scores[m]));
    for (size_t i = 0; i < swarm.runs.size(); ++i) {
      if (times[m][i] == 0) continue;
      Found& run = found.try_emplace(i, Found{m, 0, 0}).first->second;
      ++run.metrics;
      if (times[m][i] <= run.times) continue;
      run.metric = m;
      run.times = times[m][i];
    }
  }
  std::vector<std::string> warnings;
  for (const auto& [run, one] : found) {
    if (warnings.size() == kMostSentences) {
      warnings.push_back(fmt::format(
          "{}: {} more runs stand as far from the others.", file, found.size() - kMostSentences));
      break;
    }
    const auto& scores = swarm.scores[one.metric];
    std::vector<double> others;
    for (size_t i = 0; i < scores.size(); ++i)
      if (times[one.metric][i] == 0) others.push_back(scores[i]);
    const auto [least, most] = std::minmax_element(others.begin(), others.end());
    warnings.push_back(fmt::format(
        "{}: run '{}' stands far from the others: its {} is {:.4g}, where theirs lie between "
        "{:.4g} and {:.4g}{}. If it diverged, delete its row; it was kept.",
        file,
        printable(swarm.runs[run]),
        printable(swarm.metrics[one.metric]),
        scores[run],
        *least,
        *most,
        one.metrics > 1 ? fmt::format("; {} of its {} scores do", one.metrics, swarm.metrics.size())
                        : std::string()));
  }
  return warnings;
}

}  // namespace demix
