// Which mixtures are worth measuring next, by what is predicted of them and how surely.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "demix/search/points.h"
#include "demix/search/prediction_goal.h"

namespace demix {

struct AcquisitionConfig {
  std::string rule = "expected_improvement";  // | upper_confidence
  double confidence = 1;                      // standard deviations that upper_confidence adds
  double reach = 0.3;         // L1 distance at which a measurement says e⁻¹ as much of a mixture
  double trust_region = 0.5;  // deviation of the logarithms of weights around the best, see
                              // sample_trust_region.cc
  double around_best = 0.6;   // share of the candidates that are drawn there; the rest is anywhere
  int64_t candidates = 4000;  // mixtures that the rule chooses among

  template <class V>
  void visit(V& v) {
    v("rule", rule);
    v("confidence", confidence);
    v("reach", reach);
    v("trust_region", trust_region);
    v("around_best", around_best);
    v("candidates", candidates);
  }
  void check() const;
};

// E[max(x - best, 0)] of a normal x.
double expected_improvement(double mean, double deviation, double best);

// Up to `count` rows, best first, each chosen as if those before it had been measured and had come
// out as predicted: their neighbours' uncertainty falls, so that a batch spreads. No row as close
// as `l1` to another.
std::vector<size_t> choose_batch(const AcquisitionConfig& config,
                                 const Points& candidates,
                                 std::span<const GoalForecast> forecasts,
                                 double best,
                                 size_t count,
                                 double l1);

}  // namespace demix
