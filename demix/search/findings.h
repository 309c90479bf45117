// What a search can say of the mixture that it decided for: what it is expected to score, how far
// it may move, what else can be had, and where the evidence is weak.
#pragma once

#include "demix/core/rng.h"
#include "demix/search/constraints.h"
#include "demix/search/decision.h"
#include "demix/search/observations.h"
#include "demix/search/search.h"
#include "demix/search/surrogates.h"

namespace demix {

// Where a search ends.
struct EndOfSearch {
  const SearchConfig& config;
  const SearchProblem& problem;
  const FeasibleSet& feasible;
  const Observations& observations;
  const Surrogates& surrogates;
  const Decision& decision;
  const Rng& root;
};

// Fills in trials, predictions, goal_error, tolerance and front, and adds warnings.
void add_findings(const EndOfSearch& end, SearchResult& result);

}  // namespace demix
