// The table of samplers: ways to choose mixtures without having learned from any.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "demix/core/rng.h"
#include "demix/search/sampler.h"

namespace demix {

struct SampleRequest {
  const SamplerConfig& config;
  std::span<const double> prior;  // merge weights
  const FeasibleSet& feasible;
  size_t count = 0;
  const Points* known = nullptr;        // none of these again
  std::span<const double> centre = {};  // merge weights, for those that draw around a mixture
  double radius = 0.5;                  // around it, of the weights' logarithms
};

// The names in samplers.cc: dirichlet, simplex, low_discrepancy, corners, trust_region.
std::vector<std::string> sampler_names();
// Throws Error when there is no sampler of that name.
void check_sampler(const std::string& name);

// Up to `count` distinct members of the feasible set, as sample_mixtures gives them; fewer where
// the set, or what the sampler has, is exhausted. Deterministic in the request and `rng`.
Points sample_by(const std::string& name, const SampleRequest& request, Rng& rng);

// One file each.
Points sample_simplex(const SampleRequest& request, Rng& rng);
Points sample_low_discrepancy(const SampleRequest& request, Rng& rng);
Points sample_corners(const SampleRequest& request, Rng& rng);
Points sample_trust_region(const SampleRequest& request, Rng& rng);

// The first of 16 draws that is a member, else the last one pulled inside.
std::vector<double> member_of(const FeasibleSet& feasible,
                              const std::function<std::vector<double>()>& draw);

}  // namespace demix
