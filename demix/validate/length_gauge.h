// Whether components were trained long enough, from what is known before any reference is trained.
//
// What a component's data does to its scores shows with training: estimates by components as they
// were on the way rank mixtures like those by the whole components once it has shown, and otherwise
// before. So the reading of a domain is the Spearman correlation of the two over the same random
// mixtures. A low one is a sign of too little training; a high one is none of enough, as after a
// few steps the whole training is a larger copy of its beginning. docs/fidelity.md has what it
// foretold.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace demix {

struct LengthSigns {
  std::vector<std::string> domains;
  double share = 0;  // of the components' tokens that the early ones were trained on
  // Oriented scores of ensembles of the same mixtures, [domain][mixture].
  std::vector<std::vector<double>> early, whole;
};

// Below it components have reached a rank agreement of 0.78 to 0.92, and often more by longer ones.
inline constexpr double kLengthLimit = 0.9;
// From it on they have reached 0.88 to 0.93.
inline constexpr double kLengthGood = 0.96;

struct LengthReading {
  double value = 0;             // in [-1, 1]: the mean over domains
  std::vector<double> domains;  // the same of each
  std::string verdict;          // a sentence
  std::string warning;          // with a remedy; empty: none
};

// No value with fewer than five mixtures, or where all of one domain's scores are the same.
std::optional<LengthReading> read_length(const LengthSigns& signs);

}  // namespace demix
