// The members nearest to the corners of the simplex, then those nearest to the middles of its
// edges in random order: where a dataset stands alone, and where two meet.
#include "demix/search/samplers.h"

namespace demix {

Points sample_corners(const SampleRequest& request, Rng& rng) {
  const size_t n = request.prior.size();
  std::vector<std::vector<double>> wanted;
  for (size_t i = 0; i < n; ++i) {
    wanted.emplace_back(n, 0.0);
    wanted.back()[i] = 1;
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) {
      wanted.emplace_back(n, 0.0);
      wanted.back()[i] = wanted.back()[j] = 0.5;
    }
  }
  rng.shuffle(std::span(wanted).first(n));
  rng.shuffle(std::span(wanted).subspan(n));
  Points members(n);
  for (const auto& weights : wanted) {
    if (members.rows() >= 4 * request.count) break;  // projections repeat, but not without end
    if (const auto member = request.feasible.project(weights)) members.add(*member);
  }
  Points chosen(n);
  for (size_t i : distinct_rows(members, request.config.duplicate_l1, request.known)) {
    if (chosen.rows() < request.count) chosen.add(members.row(i));
  }
  return chosen;
}

}  // namespace demix
