#include "demix/report/trust.h"

#include <algorithm>
#include <cmath>

#include "demix/report/plot.h"
#include "demix/validate/gauge.h"
#include "demix/validate/length_gauge.h"

namespace demix {
namespace {

using Kind = Verdict::Kind;

bool is_known(const Estimate& e) {
  return std::isfinite(e.value) && std::isfinite(e.low) && std::isfinite(e.high);
}

Verdict agreement_verdict(const RunResult& result) {
  const Estimate& rho = result.fidelity.proxy.macro.spearman;
  const int64_t n = result.fidelity.references;
  Verdict verdict{
      Kind::kNotKnownYet,
      fmt::format("Do the {} rank mixtures as real training does?", proxies_in_words(result)),
      ""};
  if (n == 0) {
    verdict.answer =
        "No reference has been trained yet, so nothing says how far they can be trusted.";
    return verdict;
  }
  const std::string references =
      n == 1 ? "one really trained reference" : fmt::format("{} really trained references", n);
  if (!is_known(rho)) {
    verdict.answer = fmt::format(
        "There is no interval with {}: they are too few, or too many scores among them are equal.",
        references);
    return verdict;
  }
  const std::string measured = fmt::format(
      "Spearman {} on average over the domains, with {}", show_estimate(rho), references);
  if (n < kFewestForVerdict) {
    verdict.kind = Kind::kNoEvidence;
    verdict.answer =
        fmt::format("{}: too few to say; at least {} are needed.", measured, kFewestForVerdict);
  } else if (rho.low > 0) {
    verdict.kind = Kind::kYes;
    verdict.answer = measured + ".";
  } else if (rho.high < 0) {
    verdict.kind = Kind::kNo;
    verdict.answer = measured + ": they rank them the wrong way round.";
  } else {
    verdict.kind = Kind::kNoEvidence;
    verdict.answer = measured + ": the interval includes zero.";
  }
  if (const Estimate& taught = result.fidelity.calibrated.macro.spearman; is_known(taught))
    verdict.answer +=
        fmt::format(" Calibrated by the other references: {}.", show_estimate(taught));
  return verdict;
}

Verdict gauge_verdict(const RunResult& result) {
  const GaugeFacts& gauge = result.gauge;
  Verdict verdict{
      Kind::kNotKnownYet, "Before any reference was trained, was there reason to trust them?", ""};
  if (!std::isfinite(gauge.value)) {
    verdict.answer = "Not known: there are too few proxies, or their scores are all the same.";
    return verdict;
  }
  const bool weak = std::any_of(
      gauge.domains.begin(), gauge.domains.end(), [](double d) { return d < kGaugeLimit; });
  verdict.kind = gauge.broken || weak || gauge.value < kGaugeLimit ? Kind::kNo
                 : gauge.value < kGaugeGood                        ? Kind::kPartly
                                                                   : Kind::kYes;
  std::string domains;
  for (size_t d = 0; d < gauge.domains.size(); ++d)
    domains += fmt::format(
        "{}{} {}", d == 0 ? "" : ", ", result.domains[d].name, show(gauge.domains[d], 2));
  verdict.answer = fmt::format(
      "The gauge stands at {} of 1 ({}). {}", show(gauge.value, 2), domains, gauge.verdict);
  const LengthFacts& length = result.length;
  if (length.verdict.empty()) return verdict;
  verdict.answer += " " + length.verdict;
  if (length.value < kLengthGood && verdict.kind == Kind::kYes) verdict.kind = Kind::kPartly;
  return verdict;
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
  add("Interpolating the components' scores",
      f.interpolation.macro.spearman,
      f.over_interpolation.spearman);
  add("A domain's own data share", f.own_share.macro.spearman, f.over_own_share.spearman);
  if (result.proxies == "merged")
    add("An ensemble of the components", f.other_proxy.macro.spearman, f.over_other_proxy.spearman);
  return known;
}

Verdict baseline_verdict(const RunResult& result) {
  const Estimate& proxy = result.fidelity.proxy.macro.spearman;
  Verdict verdict{Kind::kNotKnownYet, "Do they beat what costs less?", ""};
  const std::vector<Contender> known = contenders(result);
  if (result.fidelity.references == 0 || !is_known(proxy) || known.empty()) {
    verdict.answer = "Not measured yet.";
    return verdict;
  }
  const Contender& best =
      *std::max_element(known.begin(), known.end(), [](const Contender& a, const Contender& b) {
        return a.spearman.value < b.spearman.value;
      });
  verdict.answer = fmt::format(
      "{} reaches a Spearman of {}, {} {}; on the same references the proxies' lead is {}",
      best.sentence,
      show_estimate(best.spearman),
      proxies_in_words(result),
      show_estimate(proxy),
      show_estimate(best.lead));
  if (is_known(best.lead) && best.lead.low > 0) {
    verdict.kind = Kind::kYes;
    verdict.answer += ".";
  } else if (is_known(best.lead) && best.lead.high < 0) {
    verdict.kind = Kind::kNo;
    verdict.answer += ": what costs less ranks better.";
  } else {
    verdict.kind = Kind::kNoEvidence;
    verdict.answer += is_known(best.lead) ? ": its interval includes zero." : ".";
  }
  return verdict;
}

// +1 better, -1 worse, 0 no evidence.
int direction(const Score& gain) {
  const double half = kIntervalErrors * gain.standard_error;
  if (!(std::abs(gain.value) > half)) return 0;
  return gain.value > 0 ? 1 : -1;
}

const char* compared_in_words(int natural, int uniform) {
  if (natural == uniform) {
    return natural > 0   ? "better than both"
           : natural < 0 ? "worse than both"
                         : "no evidence of a difference";
  }
  if (natural > 0)
    return uniform < 0 ? "better than natural, worse than uniform" : "better than natural";
  if (uniform > 0)
    return natural < 0 ? "better than uniform, worse than natural" : "better than uniform";
  return natural < 0 ? "worse than natural" : "worse than uniform";
}

// Token counts as they are, where a model was trained on them; what the components can express of
// them may be a much worse mixture.
const MixtureFacts& natural_of(const RunResult& result) {
  for (const MixtureFacts& facts : result.references)
    if (facts.name == "natural_unprojected" && !facts.found_gain.domains.empty()) return facts;
  return result.natural;
}

Verdict gain_verdict(const RunResult& result) {
  const MixtureFacts& as_counted = natural_of(result);
  const auto &found = result.found.trained.domains, &natural = as_counted.trained.domains,
             &uniform = result.uniform.trained.domains;
  Verdict verdict{Kind::kNotKnownYet, "Is the mixture found better than natural and uniform?", ""};
  if (found.empty() || natural.empty() || uniform.empty()) {
    verdict.answer = "Not known before models are really trained on all three.";
    return verdict;
  }
  int better = 0, worse = 0;
  for (size_t d = 0; d < found.size(); ++d) {
    const int over_natural = direction(score_at(as_counted.found_gain.domains, d));
    const int over_uniform = direction(score_at(result.uniform.found_gain.domains, d));
    better += (over_natural > 0) + (over_uniform > 0);
    worse += (over_natural < 0) + (over_uniform < 0);
    verdict.answer += fmt::format("{}{}: {}",
                                  d == 0 ? "" : "; ",
                                  result.domains[d].name,
                                  compared_in_words(over_natural, over_uniform));
  }
  if (&as_counted != &result.natural)
    verdict.answer +=
        ". Natural is the token counts as they are, which the components cannot express";
  verdict.answer +=
      ". By 95 % of the error from sampling the items, paired; one really trained model each, so "
      "the chance in training is not in it.";
  const int comparisons = 2 * static_cast<int>(found.size());
  verdict.kind = better == comparisons ? Kind::kYes
                 : better > 0          ? Kind::kPartly
                 : worse > 0           ? Kind::kNo
                                       : Kind::kNoEvidence;
  return verdict;
}

// References that were placed by those before them.
int64_t refined_references(const RunResult& result) {
  return std::count_if(
      result.references.begin(), result.references.end(), [](const MixtureFacts& facts) {
        return facts.name.starts_with("refined_");
      });
}

Verdict refined_verdict(const RunResult& result) {
  if (result.searched.name.empty()) {
    return {
        Kind::kYes,
        "Does it hold against what the references suggest?",
        fmt::format("Further references trained where those before led to expect most: {}; none "
                    "is expected to be better.",
                    refined_references(result))};
  }
  Verdict verdict{Kind::kNoEvidence, "Is it better than what the search alone found?", ""};
  int better = 0, worse = 0;
  for (size_t d = 0; d < result.domains.size(); ++d) {
    const Score& gain = score_at(result.searched.found_gain.domains, d);
    better += direction(gain) > 0;
    worse += direction(gain) < 0;
    verdict.answer +=
        fmt::format("{}{} {}", d == 0 ? "" : ", ", result.domains[d].name, show_score(gain));
  }
  verdict.answer = fmt::format(
      "The references led to expect so, and it was trained like them: {}. By 95 % of the error "
      "from "
      "sampling the items, paired; one really trained model each, by whose scores it was chosen.",
      verdict.answer);
  if (better > 0) verdict.kind = worse > 0 ? Kind::kPartly : Kind::kYes;
  if (better == 0 && worse > 0) verdict.kind = Kind::kNo;
  return verdict;
}

}  // namespace

bool at_chance(const TaskFacts& task, const std::vector<Score>& scores) {
  if (!std::isfinite(task.chance)) return false;
  bool any = false;
  for (const Score& score : scores) {
    if (!std::isfinite(score.value) || !std::isfinite(score.standard_error)) continue;
    any = true;
    const double above = (score.value - task.chance) * (task.higher_is_better ? 1 : -1);
    if (above > kIntervalErrors * score.standard_error) return false;
  }
  return any;
}

const char* proxies_in_words(const RunResult& result) {
  return result.proxies == "merged" ? "merged proxies" : "ensembles of components";
}

std::vector<Verdict> verdicts(const RunResult& result) {
  std::vector<Verdict> all = {agreement_verdict(result),
                              baseline_verdict(result),
                              gain_verdict(result),
                              gauge_verdict(result)};
  if (refined_references(result) > 0 || !result.searched.name.empty())
    all.insert(all.begin() + 3, refined_verdict(result));
  return all;
}

}  // namespace demix
