// Uniform on the simplex of merge weights: exponential draws over their sum.
#include <cmath>

#include "demix/search/samplers.h"

namespace demix {

Points sample_simplex(const SampleRequest& request, Rng& rng) {
  const std::vector<double> flat(request.prior.size(), 1);
  const auto draw = [&] {
    return member_of(request.feasible, [&] { return rng.dirichlet(flat); });
  };
  return distinct_draws(
      draw, flat.size(), request.count, request.config.duplicate_l1, request.known);
}

}  // namespace demix
