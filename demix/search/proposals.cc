#include "demix/search/proposals.h"

#include <algorithm>

namespace demix {
namespace {

constexpr int64_t kEnough = 20000;  // climbs need fewer candidates than averages

void append(const Points& more, Points& points) {
  for (size_t i = 0; i < more.rows(); ++i) points.add(more.row(i));
}

}  // namespace

Points first_design(const SearchConfig& config,
                    std::span<const double> prior,
                    const FeasibleSet& feasible,
                    size_t count,
                    const Points& known,
                    Rng& rng) {
  Points all = known, design(prior.size());
  const size_t parts = config.start.size();
  for (size_t k = 0; k < parts; ++k) {
    const size_t wanted = (count - design.rows()) / (parts - k);
    const SampleRequest request{config.sampler, prior, feasible, wanted, &all, {}, 0};
    Rng own = parts == 1 ? rng : rng.stream(config.start[k], static_cast<int64_t>(k));
    const Points drawn = sample_by(config.start[k], request, own);
    append(drawn, design);
    append(drawn, all);
  }
  return design;
}

Points random_candidates(const SearchConfig& config,
                         std::span<const double> prior,
                         const FeasibleSet& feasible,
                         Rng& rng) {
  if (!config.adaptive()) {
    return sample_mixtures(
        config.sampler, prior, feasible, static_cast<size_t>(config.candidates), rng);
  }
  const auto half = static_cast<size_t>(std::min(config.candidates, kEnough) + 1) / 2;
  Points candidates = sample_mixtures(config.sampler, prior, feasible, half, rng);
  append(sample_by("simplex", {config.sampler, prior, feasible, half, nullptr, {}, 0}, rng),
         candidates);
  return candidates;
}

Points acquisition_candidates(const SearchConfig& config,
                              std::span<const double> prior,
                              const FeasibleSet& feasible,
                              std::span<const double> centre,
                              Rng& rng) {
  const AcquisitionConfig& acquisition = config.acquisition;
  const auto near =
      static_cast<size_t>(acquisition.around_best * static_cast<double>(acquisition.candidates));
  const auto elsewhere = static_cast<size_t>(acquisition.candidates) - near;
  SampleRequest request{
      config.sampler, prior, feasible, near, nullptr, centre, acquisition.trust_region};
  Points points = sample_by("trust_region", request, rng);
  request.count = elsewhere / 2;
  append(sample_by("simplex", request, rng), points);
  append(sample_by("dirichlet", request, rng), points);
  return points;
}

}  // namespace demix
