#include "demix/report/trust.h"

#include "demix/report/verdicts.h"

namespace demix {

using Kind = Verdict::Kind;

const char* mark_of(Kind kind) {
  switch (kind) {
    case Kind::kYes:
      return "✓ Yes";
    case Kind::kPartly:
      return "± Partly";
    case Kind::kBetterThanChance:
      return "± Better than chance";
    case Kind::kNo:
      return "✕ No";
    case Kind::kNoEvidence:
      return "? No evidence";
    case Kind::kNotKnownYet:
      return "… Not known yet";
    case Kind::kNotComputable:
      return "– Not computable";
  }
  return "";
}

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::kYes:
      return "yes";
    case Kind::kPartly:
      return "partly";
    case Kind::kBetterThanChance:
      return "better_than_chance";
    case Kind::kNo:
      return "no";
    case Kind::kNoEvidence:
      return "no_evidence";
    case Kind::kNotKnownYet:
      return "not_known_yet";
    case Kind::kNotComputable:
      return "not_computable";
  }
  return "";
}

const char* proxies_in_words(const RunResult& result) {
  return result.proxies == "merged" ? "merged proxies" : "ensembles of components";
}

std::vector<Verdict> verdicts(const RunResult& result) {
  std::vector<Verdict> all;
  const auto add = [&](std::optional<Verdict> verdict) {
    if (verdict) all.push_back(std::move(*verdict));
  };
  const Verdict agreement = agreement_verdict(result);
  Verdict gauge = gauge_verdict(result);
  if (agreement.kind == Kind::kYes) gauge.objection.clear();
  add(memory_verdict(result));
  add(agreement);
  add(baseline_verdict(result));
  add(gain_verdict(result));
  add(refined_verdict(result));
  add(std::move(gauge));
  add(length_verdict(result));
  return all;
}

std::string reason_not_to_act(const RunResult& result, std::span<const Verdict> verdicts) {
  if (result.mixture.empty()) return "";
  for (const Verdict& verdict : verdicts)
    if (!verdict.objection.empty()) return verdict.objection;
  return "";
}

}  // namespace demix
