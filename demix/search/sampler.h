// Random mixtures to try.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "demix/core/rng.h"
#include "demix/search/constraints.h"
#include "demix/search/points.h"

namespace demix {

// The paper's scheme: Dirichlet draws of merge weights around a tempered prior.
struct SamplerConfig {
  double prior_power = 0.7;    // the prior is flattened: prior^power, rescaled
  double min_strength = 0.5;   // least sum of the concentrations: small ones draw corners
  double max_strength = 5;     // largest sum of them: large ones stay near the prior
  int strengths = 15;          // as many values between them, equal steps in the logarithm
  double min_weight = 2e-4;    // smaller merge weights become zero
  double duplicate_l1 = 1e-5;  // mixtures this close (L1) are one mixture

  template <class V>
  void visit(V& v) {
    v("prior_power", prior_power);
    v("min_strength", min_strength);
    v("max_strength", max_strength);
    v("strengths", strengths);
    v("min_weight", min_weight);
    v("duplicate_l1", duplicate_l1);
  }
  void check() const;
};

// Up to `count` distinct merge weights in `feasible`, in the order drawn, none as close as
// duplicate_l1 to another or to a row of `known`. Fewer when the set is too small to hold as many.
// `prior` are merge weights; a component with prior zero gets weight only where a constraint asks
// for it. No weight lies between zero and min_weight unless a constraint leaves no other choice.
//
// The published scripts clip at the caps and rescale, after which a seventh of their mixtures
// exceed a cap. Here a draw outside is drawn again, so that what remains is the same distribution
// given the constraints; where that fails too often, the draw is pulled inside.
Points sample_mixtures(const SamplerConfig& config,
                       std::span<const double> prior,
                       const FeasibleSet& feasible,
                       size_t count,
                       Rng& rng,
                       const Points* known = nullptr);

// Up to `count` of what `draw` gives, none as close as `l1` to another or to a row of `known`, in
// the order drawn. Fewer when the draws repeat themselves.
Points distinct_draws(const std::function<std::vector<double>()>& draw,
                      size_t columns,
                      size_t count,
                      double l1,
                      const Points* known = nullptr);

// Indices of the rows that are farther than `l1` from every kept row before them and from every row
// of `known`.
std::vector<size_t> distinct_rows(const Points& points, double l1, const Points* known = nullptr);

}  // namespace demix
