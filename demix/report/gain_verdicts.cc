// What models that were really trained say of the mixture found.
#include <algorithm>

#include "demix/report/plot.h"
#include "demix/report/verdicts.h"

namespace demix {
namespace {

using Kind = Verdict::Kind;

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

// References that were placed by those before them.
int64_t refined_references(const RunResult& result) {
  return std::count_if(
      result.references.begin(), result.references.end(), [](const MixtureFacts& facts) {
        return facts.name.starts_with("refined_");
      });
}

}  // namespace

Verdict gain_verdict(const RunResult& result) {
  const MixtureFacts& as_counted = natural_of(result);
  const auto &found = result.found.trained.domains, &natural = as_counted.trained.domains,
             &uniform = result.uniform.trained.domains;
  Verdict verdict{.question = "Is the mixture found better than natural and uniform?"};
  if (found.empty() || natural.empty() || uniform.empty()) {
    verdict.answer = "Not known before models are really trained on all three.";
    verdict.brief = "no model has been trained on all three yet";
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
  verdict.brief = verdict.answer;
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
  if (verdict.kind == Kind::kNo)
    verdict.objection =
        "really trained, it was worse than natural or uniform and better than neither in any "
        "domain";
  return verdict;
}

std::optional<Verdict> refined_verdict(const RunResult& result) {
  const int64_t refined = refined_references(result);
  if (result.searched.name.empty()) {
    if (refined == 0) return std::nullopt;
    return Verdict{
        .kind = Kind::kYes,
        .question = "Does it hold against what the references suggest?",
        .answer = fmt::format("Further references trained where those before led to expect most: "
                              "{}; none is expected to be better.",
                              refined),
        .brief =
            fmt::format("{} further reference{}, none better", refined, refined == 1 ? "" : "s")};
  }
  Verdict verdict{.kind = Kind::kNoEvidence,
                  .question = "Is it better than what the search alone found?"};
  int better = 0, worse = 0;
  for (size_t d = 0; d < result.domains.size(); ++d) {
    const Score& gain = score_at(result.searched.found_gain.domains, d);
    better += direction(gain) > 0;
    worse += direction(gain) < 0;
    verdict.answer +=
        fmt::format("{}{} {}", d == 0 ? "" : ", ", result.domains[d].name, show_score(gain));
  }
  verdict.brief = verdict.answer;
  verdict.answer = fmt::format(
      "The references led to expect so, and it was trained like them: {}. By 95 % of the error "
      "from "
      "sampling the items, paired; one really trained model each, by whose scores it was chosen.",
      verdict.answer);
  if (better > 0) verdict.kind = worse > 0 ? Kind::kPartly : Kind::kYes;
  if (better == 0 && worse > 0) verdict.kind = Kind::kNo;
  return verdict;
}

}  // namespace demix
