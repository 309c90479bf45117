// Mixtures that a search looks at: its first design, and the candidates that it predicts.
#pragma once

#include <span>

#include "demix/core/rng.h"
#include "demix/search/samplers.h"
#include "demix/search/search.h"

namespace demix {

// `prior`, and `centre` below, are merge weights. Fewer mixtures where the set holds no more.

// Round 0: equal parts of each of config.start, none of them `known`; what an exhausted sampler
// leaves falls to the next.
Points first_design(const SearchConfig& config,
                    std::span<const double> prior,
                    const FeasibleSet& feasible,
                    size_t count,
                    const Points& known,
                    Rng& rng);

// The paper's draws around the prior; of an adaptive search fewer, and half of them flat, which
// reaches what draws around the prior do not.
Points random_candidates(const SearchConfig& config,
                         std::span<const double> prior,
                         const FeasibleSet& feasible,
                         Rng& rng);

// Around `centre`, and anywhere.
Points acquisition_candidates(const SearchConfig& config,
                              std::span<const double> prior,
                              const FeasibleSet& feasible,
                              std::span<const double> centre,
                              Rng& rng);

}  // namespace demix
