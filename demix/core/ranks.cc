#include "demix/core/ranks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"

namespace demix {

std::vector<double> mean_ranks(std::span<const double> values) {
  const size_t n = values.size();
  for (double value : values) DEMIX_CHECK(!std::isnan(value));
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(n);
  for (size_t begin = 0; begin < n;) {
    size_t end = begin + 1;
    while (end < n && values[order[end]] == values[order[begin]]) ++end;
    // Ranks begin+1 … end, shared.
    const double shared = 0.5 * static_cast<double>(begin + 1 + end);
    for (size_t k = begin; k < end; ++k) ranks[order[k]] = shared;
    begin = end;
  }
  return ranks;
}

double mean(std::span<const double> values) {
  DEMIX_CHECK(!values.empty());
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double median(std::vector<double> values) {
  DEMIX_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double standard_deviation(std::span<const double> values) {
  DEMIX_CHECK(values.size() >= 2);
  const double centre = mean(values);
  double sum = 0;
  for (double value : values) sum += (value - centre) * (value - centre);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

std::optional<double> pearson(std::span<const double> a, std::span<const double> b) {
  DEMIX_CHECK(a.size() == b.size());
  if (a.size() < 3) return std::nullopt;
  // Constant by comparison, not by variance: rounding of the mean leaves a variance above zero.
  const auto constant = [](std::span<const double> x) {
    return std::all_of(x.begin(), x.end(), [&](double value) { return value == x[0]; });
  };
  if (constant(a) || constant(b)) return std::nullopt;
  const double mean_a = mean(a), mean_b = mean(b);
  double aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i] - mean_a, y = b[i] - mean_b;
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  if (!(aa > 0) || !(bb > 0))
    return std::nullopt;  // differences below the square root of the least number
  return std::clamp(ab / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0);
}

std::optional<double> spearman(std::span<const double> a, std::span<const double> b) {
  DEMIX_CHECK(a.size() == b.size());
  return pearson(mean_ranks(a), mean_ranks(b));
}

}  // namespace demix
