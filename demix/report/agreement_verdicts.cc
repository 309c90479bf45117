// What the references say of the proxies.
#include <algorithm>
#include <set>

#include "demix/report/plot.h"
#include "demix/report/verdicts.h"
#include "demix/report/words.h"

namespace demix {
namespace {

using Kind = Verdict::Kind;

// An interval whose lower end is this close to zero reaches it: correlations of few ranks are sums
// that round.
constexpr double kRounding = 1e-9;

std::string references_in_words(int64_t n) {
  return n == 1 ? "one really trained reference" : fmt::format("{} really trained references", n);
}

const Estimate* domain_agreement(const RunResult& result, size_t d) {
  const std::vector<Agreement>& domains = result.fidelity.proxy.domains;
  return domains.empty() ? nullptr : &domains[d].spearman;
}

// How many different scores the references in the statistics have in a domain.
size_t distinct_scores(const RunResult& result, ModelScores MixtureFacts::* scores, size_t d) {
  std::set<double> distinct;
  for (const MixtureFacts& facts : result.references) {
    if (!facts.in_correlations) continue;
    const Score score = score_at((facts.*scores).domains, d);
    if (std::isfinite(score.value)) distinct.insert(score.value);
  }
  return distinct.size();
}

// Why a rank correlation with enough references has no value or no interval: scores are equal.
std::string why_not_computable(const RunResult& result) {
  std::vector<std::string> alike, alike_trained, few;
  for (size_t d = 0; d < result.domains.size(); ++d) {
    const std::string& name = result.domains[d].name;
    const size_t proxies = distinct_scores(result, &MixtureFacts::proxy, d),
                 trained = distinct_scores(result, &MixtureFacts::trained, d);
    const Estimate* own = domain_agreement(result, d);
    if (proxies == 1) {
      alike.push_back(name);
    } else if (trained == 1) {
      alike_trained.push_back(name);
    } else if (own && !is_known(*own)) {
      few.push_back(
          fmt::format("{} ({} different by the proxies, {} when trained)", name, proxies, trained));
    }
  }
  std::vector<std::string> reasons;
  if (!alike.empty()) reasons.push_back("all proxies score alike in " + in_prose(alike));
  if (!alike_trained.empty())
    reasons.push_back("all references score alike in " + in_prose(alike_trained));
  if (!few.empty()) reasons.push_back("too many scores are equal in " + in_prose(few));
  return reasons.empty() ? "too many scores among them are equal" : in_prose(reasons);
}

// " By themselves: code 0.90 [0.41, 1.00]." of the domains that have an interval.
std::string domains_by_themselves(const RunResult& result) {
  std::vector<std::string> known;
  for (size_t d = 0; d < result.domains.size(); ++d) {
    const Estimate* own = domain_agreement(result, d);
    if (own && is_known(*own))
      known.push_back(fmt::format("{} {}", result.domains[d].name, show_estimate(*own)));
  }
  if (known.empty()) return "";
  return fmt::format(" The average over the domains needs all of them; by {}: {}.",
                     known.size() == 1 ? "itself" : "themselves",
                     in_prose(known));
}

// Of several domains those whose own interval reaches zero.
std::vector<size_t> domains_at_zero(const RunResult& result) {
  std::vector<size_t> at_zero;
  if (result.domains.size() < 2) return at_zero;
  for (size_t d = 0; d < result.domains.size(); ++d) {
    const Estimate* own = domain_agreement(result, d);
    if (own && is_known(*own) && own->low <= kRounding) at_zero.push_back(d);
  }
  return at_zero;
}

void add_domains_at_zero(const RunResult& result, Verdict& verdict) {
  std::vector<std::string> names, estimates;
  for (const size_t d : domains_at_zero(result)) {
    names.push_back(result.domains[d].name);
    estimates.push_back(
        fmt::format("{} ({})", names.back(), show_estimate(*domain_agreement(result, d))));
  }
  if (names.empty()) return;
  verdict.answer +=
      fmt::format(" Domains whose own interval reaches zero: {}.", in_prose(estimates));
  verdict.brief += "; reaches zero: " + in_prose(names);
}

// A way to foretell that needs less than the proxies.
struct Contender {
  const char* sentence;     // "Interpolating the components' scores"
  Estimate spearman, lead;  // of the proxies over it
};

std::vector<Contender> contenders(const RunResult& result) {
  const Fidelity& f = result.fidelity;
  std::vector<Contender> known;
  const auto add = [&](const char* sentence, const Estimate& spearman, const Estimate& lead) {
    if (is_known(spearman)) known.push_back({sentence, spearman, lead});
  };
  add("interpolating the components' scores",
      f.interpolation.macro.spearman,
      f.over_interpolation.spearman);
  add("a domain's own data share", f.own_share.macro.spearman, f.over_own_share.spearman);
  if (result.proxies == "merged")
    add("an ensemble of the components", f.other_proxy.macro.spearman, f.over_other_proxy.spearman);
  return known;
}

}  // namespace

Verdict agreement_verdict(const RunResult& result) {
  const Estimate& rho = result.fidelity.proxy.macro.spearman;
  const int64_t n = result.fidelity.references;
  Verdict verdict{.question = fmt::format("Do the {} rank mixtures as real training does?",
                                          proxies_in_words(result))};
  if (n == 0) {
    verdict.answer =
        "No reference has been trained yet, so nothing says how far they can be trusted.";
    verdict.brief = "no reference has been trained yet";
    return verdict;
  }
  const std::string references = references_in_words(n);
  if (!is_known(rho) && n < kFewestForVerdict) {
    verdict.answer = fmt::format(
        "There is no interval with {}: at least {} are needed.", references, kFewestForVerdict);
    verdict.brief = "too few references: " + std::to_string(n);
    return verdict;
  }
  if (!is_known(rho)) {
    const std::string why = why_not_computable(result);
    verdict.kind = Kind::kNotComputable;
    verdict.answer = fmt::format(
        "It cannot be computed from the {}: {}.{}", references, why, domains_by_themselves(result));
    verdict.brief = why;
    verdict.objection = "how far the proxies can be trusted cannot be computed, as " + why;
    return verdict;
  }
  const std::string measured = fmt::format(
      "Spearman {} on average over the domains, with {}", show_estimate(rho), references);
  verdict.brief =
      fmt::format("Spearman {}, {} reference{}", show_estimate(rho), n, n == 1 ? "" : "s");
  if (n < kFewestForVerdict) {
    verdict.kind = Kind::kNoEvidence;
    verdict.answer =
        fmt::format("{}: too few to say; at least {} are needed.", measured, kFewestForVerdict);
    return verdict;
  }
  if (rho.low >= kUsefulAgreement) {
    verdict.kind = Kind::kYes;
    verdict.answer = measured + ".";
  } else if (rho.low > kRounding) {
    verdict.kind = Kind::kBetterThanChance;
    verdict.answer = fmt::format(
        "{}: better than chance, but a choice by them needs an interval that begins at {} or "
        "above. "
        "More references narrow it.",
        measured,
        kUsefulAgreement);
  } else if (rho.high < 0) {
    verdict.kind = Kind::kNo;
    verdict.answer = measured + ": they rank them the wrong way round.";
    verdict.objection =
        fmt::format("the {} rank mixtures the wrong way round", proxies_in_words(result));
  } else {
    verdict.kind = Kind::kNoEvidence;
    verdict.answer = measured + ": the interval includes zero.";
    verdict.objection = fmt::format("{} do not show that the {} rank mixtures better than chance",
                                    references,
                                    proxies_in_words(result));
  }
  add_domains_at_zero(result, verdict);
  if (const Estimate& taught = result.fidelity.calibrated.macro.spearman; is_known(taught))
    verdict.answer +=
        fmt::format(" Calibrated by the other references: {}.", show_estimate(taught));
  return verdict;
}

Verdict baseline_verdict(const RunResult& result) {
  const Estimate& proxy = result.fidelity.proxy.macro.spearman;
  const int64_t n = result.fidelity.references;
  Verdict verdict{.question = "Do they beat what costs less?"};
  const std::vector<Contender> known = contenders(result);
  if (n < kFewestForVerdict) {
    verdict.kind = n == 0 ? Kind::kNotKnownYet : Kind::kNoEvidence;
    verdict.brief =
        n == 0 ? "no reference has been trained yet" : fmt::format("too few references: {}", n);
    verdict.answer = n == 0 ? "No reference has been trained yet."
                            : fmt::format("With {} nothing can be said; at least {} are needed.",
                                          references_in_words(n),
                                          kFewestForVerdict);
    return verdict;
  }
  if (!is_known(proxy) || known.empty()) {
    verdict.kind = Kind::kNotComputable;
    verdict.brief =
        is_known(proxy) ? "nothing that costs less has an interval" : why_not_computable(result);
    verdict.answer = fmt::format("It cannot be computed: {}.", verdict.brief);
    return verdict;
  }
  const Contender& best =
      *std::max_element(known.begin(), known.end(), [](const Contender& a, const Contender& b) {
        return a.spearman.value < b.spearman.value;
      });
  verdict.answer = fmt::format(
      "The best of it, {}, reaches a Spearman of {}, {} {}; on the same references the proxies' "
      "lead is {}",
      best.sentence,
      show_estimate(best.spearman),
      proxies_in_words(result),
      show_estimate(proxy),
      show_estimate(best.lead));
  verdict.brief = fmt::format("lead {} over {}", show_estimate(best.lead), best.sentence);
  if (is_known(best.lead) && best.lead.low > 0) {
    verdict.kind = Kind::kYes;
    verdict.answer += ".";
  } else if (is_known(best.lead) && best.lead.high < 0) {
    verdict.kind = Kind::kNo;
    verdict.answer += ": what costs less ranks better.";
  } else {
    verdict.kind = Kind::kNoEvidence;
    verdict.answer += is_known(best.lead) ? ": its interval includes zero." : ", without interval.";
  }
  return verdict;
}

}  // namespace demix
