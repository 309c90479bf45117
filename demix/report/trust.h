// How far a result can be trusted, in plain words: what the page, the terminal and result.json say.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "demix/report/result.h"

namespace demix {

// With fewer references nothing is said of the proxies: a resample of four that stand in order
// stands in order too, so that its interval is a point.
inline constexpr int64_t kFewestForVerdict = 6;

// From this lower end of its interval on, an agreement is one to choose by. Above zero alone means
// better than chance, and so did agreements by which no one would choose.
inline constexpr double kUsefulAgreement = 0.5;

// An answer to one question that a reader must ask of a found mixture.
struct Verdict {
  enum class Kind {
    kYes,
    kPartly,
    kBetterThanChance,
    kNo,
    kNoEvidence,
    kNotKnownYet,
    kNotComputable,  // though all was measured: scores are equal
  };
  Kind kind = Kind::kNotKnownYet;
  std::string question;
  std::string answer;     // a sentence or two, with n and intervals
  std::string brief;      // the same in a few words
  std::string objection;  // why not to act on the mixture, a clause; empty: nothing against it
};

const char* mark_of(Verdict::Kind kind);  // "✓ Yes", as people read it
const char* name_of(Verdict::Kind kind);  // "yes", as scripts do

// "Yes" and "No" only where a 95 % interval says so; everything else is "no evidence".
//   0. Only where a dataset with a share holds benchmarks: are they kept out of the training text?
//   1. Do proxies rank mixtures as real training does?  The interval of the macro Spearman.
//   2. Do they beat what costs less?  The interval of their lead over the best of: interpolation,
//      own share and, for merged proxies, ensembles of the components; on the same resamples.
//   3. Is the found mixture better than natural and uniform, when really trained?  By domain, the
//      gain on the same items against its standard error. Yes: better than both in every domain;
//      no: worse somewhere and nowhere better.
//   4. Where references were placed by those before: is one of them handed over, and better than
//      what the search found? As 3.
//   5. Before any reference was trained, was there reason to trust the proxies?  The gauge
//      (demix/validate/gauge.h), unless components have not learned their own datasets
//      (own_data.h). It objects to nothing that references have confirmed.
//   6. Where it was asked: were components trained long enough?  Never yes (length_gauge.h).
std::vector<Verdict> verdicts(const RunResult& result);

// The first objection, where there is a mixture that one could act on.
std::string reason_not_to_act(const RunResult& result, std::span<const Verdict> verdicts);

// "merged proxies" or "ensembles of components".
const char* proxies_in_words(const RunResult& result);

}  // namespace demix
