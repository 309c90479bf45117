#include "demix/search/folds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "demix/core/mixture.h"
#include "demix/core/ranks.h"
#include "demix/search/sampler.h"

namespace demix {
namespace {

constexpr double kSameMixture = 0.01;  // L1
constexpr double kOfSpread = 0.05;
constexpr double kRounding = 1e-6;
constexpr size_t kFolds = 5;

// Mean L1 distance from the mean of all.
double spread(const Points& mixtures) {
  std::vector<double> centre(mixtures.columns());
  const auto rows = static_cast<double>(mixtures.rows());
  for (size_t i = 0; i < mixtures.rows(); ++i) {
    for (size_t j = 0; j < centre.size(); ++j) centre[j] += mixtures.row(i)[j] / rows;
  }
  double sum = 0;
  for (size_t i = 0; i < mixtures.rows(); ++i) sum += l1_distance(mixtures.row(i), centre);
  return sum / rows;
}

// The L1 distance where it is below `bound`, else something above it.
double distance_below(double bound, std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t j = 0; j < a.size() && sum <= bound; ++j) sum += std::abs(a[j] - b[j]);
  return sum;
}

}  // namespace

std::vector<size_t> mixture_of_rows(const Points& mixtures) {
  std::vector<size_t> mixture_of(mixtures.rows());
  std::iota(mixture_of.begin(), mixture_of.end(), size_t{0});
  if (mixture_of.empty()) return mixture_of;
  const double near = std::max(kRounding, std::min(kSameMixture, kOfSpread * spread(mixtures)));
  // Every row lies near one of these. By chains of near rows a dense swarm would be one mixture.
  const auto first_rows = distinct_rows(mixtures, near);
  if (first_rows.size() == mixture_of.size()) return mixture_of;
  for (size_t i = 0; i < mixture_of.size(); ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    for (size_t k = 0; k < first_rows.size(); ++k) {
      const double away = distance_below(nearest, mixtures.row(i), mixtures.row(first_rows[k]));
      if (away >= nearest) continue;
      nearest = away;
      mixture_of[i] = k;
    }
  }
  return mixture_of;
}

size_t count_mixtures(std::span<const size_t> mixture_of) {
  return mixture_of.empty() ? 0 : *std::max_element(mixture_of.begin(), mixture_of.end()) + 1;
}

std::vector<int> random_folds(size_t rows, Rng& rng) {
  const size_t folds = std::min(kFolds, rows);
  std::vector<int> fold_of(rows);
  for (size_t i = 0; i < rows; ++i) fold_of[i] = static_cast<int>(i % folds);
  rng.shuffle(std::span<int>(fold_of));
  return fold_of;
}

std::vector<int> mixture_folds(std::span<const size_t> mixture_of, Rng& rng) {
  const size_t mixtures = count_mixtures(mixture_of);
  if (mixtures == mixture_of.size()) return random_folds(mixtures, rng);
  std::vector<size_t> runs(mixtures), order(mixtures);
  for (const size_t mixture : mixture_of) ++runs[mixture];
  std::iota(order.begin(), order.end(), size_t{0});
  rng.shuffle(std::span<size_t>(order));
  // The largest first, each to the part with the fewest rows.
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return runs[a] > runs[b]; });
  std::vector<size_t> rows(std::min(kFolds, mixtures));
  std::vector<int> fold_of_mixture(mixtures), fold_of;
  for (const size_t mixture : order) {
    const auto least = std::min_element(rows.begin(), rows.end());
    *least += runs[mixture];
    fold_of_mixture[mixture] = static_cast<int>(least - rows.begin());
  }
  for (const size_t mixture : mixture_of) fold_of.push_back(fold_of_mixture[mixture]);
  return fold_of;
}

double error_of_mean(std::span<const double> values, std::span<const size_t> mixture_of) {
  DEMIX_CHECK(values.size() == mixture_of.size());
  const double centre = mean(values);
  std::vector<double> away(count_mixtures(mixture_of));
  for (size_t i = 0; i < values.size(); ++i) away[mixture_of[i]] += values[i] - centre;
  const auto mixtures = static_cast<double>(away.size()), rows = static_cast<double>(values.size());
  if (mixtures < 2) return 0;
  const double squares = std::inner_product(away.begin(), away.end(), away.begin(), 0.0);
  return std::sqrt(mixtures / (mixtures - 1) * squares) / rows;
}

}  // namespace demix
