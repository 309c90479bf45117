#include "demix/search/samplers.h"

#include <algorithm>

#include "demix/core/error.h"

namespace demix {
namespace {

struct Entry {
  const char* name;
  Points (*sample)(const SampleRequest& request, Rng& rng);
};

const Entry kSamplers[] = {
    {"dirichlet",
     [](const SampleRequest& request, Rng& rng) {
       return sample_mixtures(
           request.config, request.prior, request.feasible, request.count, rng, request.known);
     }},
    {"simplex", sample_simplex},
    {"low_discrepancy", sample_low_discrepancy},
    {"corners", sample_corners},
    {"trust_region", sample_trust_region},
};

}  // namespace

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kSamplers) names.emplace_back(entry.name);
  return names;
}

void check_sampler(const std::string& name) {
  const auto names = sampler_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  throw Error("start: there is no sampler '{}'; {}", name, suggestion(name, names));
}

Points sample_by(const std::string& name, const SampleRequest& request, Rng& rng) {
  for (const Entry& entry : kSamplers) {
    if (name == entry.name) return entry.sample(request, rng);
  }
  check_sampler(name);
  return Points(request.prior.size());
}

std::vector<double> member_of(const FeasibleSet& feasible,
                              const std::function<std::vector<double>()>& draw) {
  std::vector<double> weights;
  for (int attempt = 0; attempt < 16; ++attempt) {
    weights = draw();
    if (feasible.contains(weights)) return weights;
  }
  return feasible.pull_inside(weights);
}

}  // namespace demix
