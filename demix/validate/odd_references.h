// References that do not fit the others: one whose mixture or training is not what it is said to be
// takes every chooser's agreement down, and the proxies get the blame.
//
// The agreement is the mean over choosers of their macro Spearman. Without each reference in turn
// it is another; the one, or greedily the two, without which it rises most are odd if it rises by
// more than a healthy set of references lets it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace demix {

// [domain][reference]
using ReferenceScores = std::vector<std::vector<double>>;

// Limits of the rise, times references and domains (at most three are counted). Of 8 to 24
// references in three domains, drawn from all settings of docs/fidelity, healthy sets pass them in
// 2 to 5 of 100 cases, sets in which the mixtures of two are exchanged in 60; in one domain in 0 to
// 1 and 13 (tools/odd_reference_limits.py).
inline constexpr double kRiseWithoutOne = 2.6, kRiseWithoutTwo = 4.2;
// Choosers that err together let it rise by more: without the plain shares.
inline constexpr double kWithoutShares = 1.25;
inline constexpr size_t kFewestToFindOdd = 8;

struct OddReferences {
  std::vector<size_t> which;  // one or two
  // Of the first chooser, with all references and without these.
  double agreement = 0, without = 0;
};
// `choosers`: the proxies first. `limit_factor`: 1, or kWithoutShares. Nothing where none is odd,
// with fewer than kFewestToFindOdd references, or where an agreement is not defined.
std::optional<OddReferences> find_odd(std::span<const ReferenceScores> choosers,
                                      const ReferenceScores& trained,
                                      double limit_factor = 1);

}  // namespace demix
