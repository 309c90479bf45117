// Around one mixture: its weights times exp(σ·normal), rescaled, σ between a tenth of the radius
// and all of it. Every second draw also gives a share of up to σ/10 to one component, so that those
// without weight can come in, and those with little can leave.
#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/search/samplers.h"

namespace demix {

Points sample_trust_region(const SampleRequest& request, Rng& rng) {
  const size_t n = request.prior.size();
  DEMIX_CHECK(request.centre.size() == n);
  const auto draw = [&] {
    return member_of(request.feasible, [&] {
      const double sigma = request.radius * std::pow(10.0, -rng.uniform());
      std::vector<double> weights;
      double sum = 0;
      for (double centre : request.centre) {
        const double weight = centre * std::exp(sigma * rng.normal());
        sum += weights.emplace_back(weight < request.config.min_weight ? 0 : weight);
      }
      for (double& weight : weights) weight /= sum;
      const auto moved = static_cast<size_t>(rng.below(n));
      const double amount = rng.below(2) == 0 ? std::min(0.1 * sigma, 0.5) * rng.uniform() : 0;
      for (double& weight : weights) weight *= 1 - amount;
      weights[moved] += amount;
      return weights;
    });
  };
  return distinct_draws(draw, n, request.count, request.config.duplicate_l1, request.known);
}

}  // namespace demix
