// Expected improvement (Jones, Schonlau and Welch 1998) and upper confidence bounds (Srinivas et
// al. 2010); a batch is chosen greedily with the means kept (the kriging believer of Ginsbourger et
// al. 2010) and the uncertainty reduced by distance.
#include "demix/search/acquisition.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "demix/core/error.h"

namespace demix {

void AcquisitionConfig::check() const {
  if (rule != "expected_improvement" && rule != "upper_confidence") {
    throw Error("rule is '{}', expected expected_improvement or upper_confidence", rule);
  }
  if (!(confidence >= 0 && std::isfinite(confidence)))
    throw Error("confidence is {}, expected 0 or more", confidence);
  if (!(reach > 0 && std::isfinite(reach))) throw Error("reach is {}, expected above 0", reach);
  if (!(trust_region > 0 && std::isfinite(trust_region)))
    throw Error("trust_region is {}, expected above 0", trust_region);
  if (!(around_best >= 0 && around_best <= 1))
    throw Error("around_best is {}, expected from 0 to 1", around_best);
  if (candidates < 1) throw Error("candidates is {}, expected at least 1", candidates);
}

double expected_improvement(double mean, double deviation, double best) {
  const double gain = mean - best;
  if (!(deviation > 0)) return std::max(gain, 0.0);
  const double z = gain / deviation;
  const double density = std::exp(-0.5 * z * z) / std::sqrt(2 * std::numbers::pi);
  // Φ(z) by erfc, which keeps its digits far below zero.
  const double below = 0.5 * std::erfc(-z / std::numbers::sqrt2);
  return std::max(gain * below + deviation * density, 0.0);
}

std::vector<size_t> choose_batch(const AcquisitionConfig& config,
                                 const Points& candidates,
                                 std::span<const GoalForecast> forecasts,
                                 double best,
                                 size_t count,
                                 double l1) {
  DEMIX_CHECK(forecasts.size() == candidates.rows());
  std::vector<double> variance;
  for (const auto& forecast : forecasts)
    variance.push_back(forecast.uncertainty * forecast.uncertainty);
  std::vector<bool> out(forecasts.size());
  std::vector<size_t> chosen;
  while (chosen.size() < count) {
    size_t next = forecasts.size();
    double highest = 0;
    for (size_t i = 0; i < forecasts.size(); ++i) {
      if (out[i] || !std::isfinite(forecasts[i].mean)) continue;
      const double deviation = std::sqrt(variance[i]);
      const double value = config.rule == "upper_confidence"
                               ? forecasts[i].mean + config.confidence * deviation
                               : expected_improvement(forecasts[i].mean, deviation, best);
      // Far from any improvement, by rounding, the mean decides.
      const bool better = next == forecasts.size() || value > highest ||
                          (value == highest && forecasts[i].mean > forecasts[next].mean);
      if (!better) continue;
      next = i;
      highest = value;
    }
    if (next == forecasts.size()) break;
    chosen.push_back(next);
    best = std::max(best, forecasts[next].mean);
    for (size_t i = 0; i < forecasts.size(); ++i) {
      const double distance = l1_distance(candidates.row(i), candidates.row(next));
      if (distance <= l1) out[i] = true;
      variance[i] *= 1 - std::exp(-2 * distance / config.reach);
    }
  }
  return chosen;
}

}  // namespace demix
