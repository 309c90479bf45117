// The mixture that a search decides for, by what is predicted of random ones.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/search/constraints.h"
#include "demix/search/points.h"
#include "demix/search/search.h"
#include "demix/search/surrogates.h"

namespace demix {

struct Decision {
  std::vector<double> merge_weights;
  std::string words;  // how it was chosen
  Points starts{1};   // candidates that climbs begin from
  // Of an average: the worst value of what is averaged.
  std::optional<double> worst_averaged = std::nullopt;
  std::string warning = {};  // a sentence
};

// `values` are the goal's at the candidates, one of them finite; `ranking` the candidates with
// finite values, best first.

// Climbs from the best candidates.
Decision predicted_optimum(const SearchConfig& config,
                           const FeasibleSet& feasible,
                           const Surrogates& surrogates,
                           const Points& candidates,
                           std::span<const double> values);

// The mean of the best candidates, as the paper does.
Decision average_decision(const SearchConfig& config,
                          const FeasibleSet& feasible,
                          const Surrogates& surrogates,
                          const Points& candidates,
                          std::span<const double> values,
                          std::span<const size_t> ranking);

// The mixture that floors are relative to, where no candidate is predicted better than another;
// none where constraints or floors leave it out.
std::optional<Decision> stay_if_flat(const SearchConfig& config,
                                     const FeasibleSet& feasible,
                                     const Surrogates& surrogates,
                                     const Points& candidates,
                                     std::span<const size_t> ranking);

}  // namespace demix
