// How far a result can be trusted, in plain words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "demix/report/result.h"

namespace demix {

// With fewer references nothing is said of the proxies: a resample of four that stand in order
// stands in order too, so that its interval is a point.
constexpr int64_t kFewestForVerdict = 6;

// An answer to one question that a reader must ask of a found mixture.
struct Verdict {
  enum class Kind { kYes, kPartly, kNo, kNoEvidence, kNotKnownYet };
  Kind kind;
  std::string question;
  std::string answer;  // a sentence or two, with n and intervals
};

// "Yes" and "No" only where a 95 % interval says so; everything else is "no evidence".
//   1. Do proxies rank mixtures as real training does?  The interval of the macro Spearman against
//   0.
//   2. Do they beat what costs less?  The interval of their lead over the best of: interpolation,
//      own share and, for merged proxies, ensembles of the components; on the same resamples.
//   3. Is the found mixture better than natural and uniform, when really trained?  By domain, the
//      gain on the same items against its standard error. Yes: better than both in every domain;
//      no: worse somewhere and nowhere better.
//   4. Where references were placed by those before: is one of them handed over, and better than
//      what the search found? As 3.
//   5. Before any reference was trained, was there reason to trust the proxies?  The gauge
//      (demix/validate/gauge.h), and whether components were long enough (length_gauge.h).
std::vector<Verdict> verdicts(const RunResult& result);

// "merged proxies" or "ensembles of components".
const char* proxies_in_words(const RunResult& result);

// True when no model's score lies clearly (by 95 %) on the better side of what knowing nothing
// gives.
bool at_chance(const TaskFacts& task, const std::vector<Score>& scores);

}  // namespace demix
