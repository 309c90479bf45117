#include "demix/report/trust.h"

#include <gtest/gtest.h>

#include <string_view>

#include "tests/message_of.h"

namespace demix {
namespace {

using Kind = Verdict::Kind;

RunResult result_with(Estimate proxy, Estimate interpolation, Estimate own_share) {
  RunResult r;
  r.fidelity.references = 16;
  r.fidelity.proxy.macro.spearman = proxy;
  r.fidelity.interpolation.macro.spearman = interpolation;
  r.fidelity.own_share.macro.spearman = own_share;
  return r;
}

// The answer to the question that begins so.
Verdict answer_to(const RunResult& r, std::string_view question) {
  for (Verdict& verdict : verdicts(r))
    if (verdict.question.starts_with(question)) return std::move(verdict);
  return {};
}

// Three references with these proxies' and trained scores, in each domain.
void add_references(RunResult& r,
                    const std::vector<std::vector<double>>& proxies,
                    const std::vector<std::vector<double>>& trained) {
  for (size_t i = 0; i < proxies.size(); ++i) {
    MixtureFacts& facts = r.references.emplace_back();
    for (const double value : proxies[i]) facts.proxy.domains.push_back({value, 0.01});
    for (const double value : trained[i]) facts.trained.domains.push_back({value, 0.01});
  }
}

TEST(Verdicts, AgreementIsClaimedOnlyWhereTheIntervalLeavesAUsefulOne) {
  EXPECT_EQ(verdicts(result_with({0.8, 0.5, 0.9}, {}, {}))[0].kind, Kind::kYes);
  EXPECT_EQ(verdicts(result_with({0.8, 0.49, 0.9}, {}, {}))[0].kind, Kind::kBetterThanChance);
  EXPECT_EQ(verdicts(result_with({0.5, 0.01, 0.8}, {}, {}))[0].kind, Kind::kBetterThanChance);
  EXPECT_EQ(verdicts(result_with({0.5, 1e-17, 0.8}, {}, {}))[0].kind, Kind::kNoEvidence);
  EXPECT_EQ(verdicts(result_with({0.5, -0.01, 0.8}, {}, {}))[0].kind, Kind::kNoEvidence);
  EXPECT_EQ(verdicts(result_with({-0.5, -0.8, -0.1}, {}, {}))[0].kind, Kind::kNo);
  EXPECT_EQ(verdicts(result_with({0.5, kUnknown, kUnknown}, {}, {}))[0].kind, Kind::kNotComputable);
  EXPECT_EQ(verdicts(RunResult{})[0].kind, Kind::kNotKnownYet);
}

TEST(Verdicts, DomainsWhoseOwnAgreementReachesZeroAreNamed) {
  RunResult r = result_with({0.71, 0.17, 1.0}, {}, {});
  r.domains = {{"code", ""}, {"general", ""}, {"math", ""}};
  r.fidelity.proxy.domains.resize(3);
  r.fidelity.proxy.domains[0].spearman = {0.89, 0.2, 1.0};
  r.fidelity.proxy.domains[1].spearman = {0.49, -1.0, 1.0};
  r.fidelity.proxy.domains[2].spearman = {0.77, 0.0, 1.0};
  const Verdict verdict = verdicts(r)[0];
  EXPECT_MENTIONS(
      verdict.answer,
      "Domains whose own interval reaches zero: general (0.49 [−1.00, 1.00]) and math (0.77 [");
  EXPECT_EQ(verdict.brief,
            "Spearman 0.71 [0.17, 1.00], 16 references; reaches zero: general and math");
  r.fidelity.proxy.macro.spearman.low = 0.6;
  EXPECT_MENTIONS(verdicts(r)[0].answer, "reaches zero: general") << "a yes names them too";
  r.domains.resize(1);
  r.fidelity.proxy.domains = {r.fidelity.proxy.domains[1]};
  EXPECT_EQ(verdicts(r)[0].answer.find("reaches zero"), std::string::npos)
      << "one domain is the average";
}

TEST(Verdicts, WhatCannotBeComputedIsSaidWithTheReason) {
  RunResult r = result_with({}, {}, {});
  r.mixture = {1};
  r.fidelity.references = 8;
  r.domains = {{"chat", ""}, {"code", ""}};
  r.fidelity.proxy.domains.resize(2);
  r.fidelity.proxy.domains[1].spearman = {0.9, 0.41, 1.0};
  add_references(r, {{0.5, 1}, {0.5, 2}, {0.5, 3}}, {{0.1, 1}, {0.2, 2}, {0.3, 3}});
  const Verdict verdict = verdicts(r)[0];
  EXPECT_EQ(verdict.kind, Kind::kNotComputable);
  EXPECT_EQ(
      verdict.answer,
      "It cannot be computed from the 8 really trained references: all proxies score alike in "
      "chat. The average over the domains needs all of them; by itself: code 0.90 [0.41, "
      "1.00].");
  EXPECT_EQ(verdicts(r)[1].kind, Kind::kNotComputable);
  EXPECT_EQ(verdicts(r)[1].answer, "It cannot be computed: all proxies score alike in chat.");
  EXPECT_EQ(reason_not_to_act(r, verdicts(r)),
            "how far the proxies can be trusted cannot be computed, as all proxies score alike in "
            "chat");

  r.references.clear();
  add_references(r, {{0.5, 1}, {0.5, 2}, {0.6, 3}}, {{0.1, 1}, {0.2, 2}, {0.3, 3}});
  EXPECT_MENTIONS(verdicts(r)[0].answer,
                  "too many scores are equal in chat (2 different by the proxies, 3 when trained)");
  r.references.clear();
  add_references(r, {{0.5, 1}, {0.4, 2}, {0.6, 3}}, {{0.1, 1}, {0.1, 2}, {0.1, 3}});
  EXPECT_MENTIONS(verdicts(r)[0].answer, "all references score alike in chat");
}

TEST(Verdicts, NothingIsClaimedFromFewReferences) {
  const Estimate high{0.9, 0.8, 0.95};
  RunResult r = result_with(high, {0.5, 0.4, 0.6}, {});
  r.fidelity.over_interpolation.spearman = {0.4, 0.1, 0.6};
  r.fidelity.references = kFewestForVerdict - 1;
  EXPECT_EQ(verdicts(r)[0].kind, Kind::kNoEvidence);
  EXPECT_EQ(verdicts(r)[1].kind, Kind::kNoEvidence);
  EXPECT_EQ(verdicts(r)[0].objection, "");
}

TEST(Verdicts, BenchmarksInTheTextOfTheMixtureAreNamedFirst) {
  RunResult r;
  r.datasets = {{.name = "copy"}, {.name = "web"}, {.name = "unused"}};
  r.mixture = {0.7236, 0.2764, 0.0001};
  r.overlaps = {{"quiz", 20, 15, {0, 0, 15}}, {"exam", 100, 100, {0, 1, 0}}};
  EXPECT_FALSE(verdicts(r)[0].question.starts_with("Are the benchmarks"))
      << "no dataset with a share holds much of one";
  r.overlaps.push_back({"maths", 100, 100, {3, 2, 0}});
  Verdict verdict = verdicts(r)[0];
  EXPECT_TRUE(verdict.question.starts_with("Are the benchmarks"));
  EXPECT_EQ(verdict.kind, Kind::kPartly);
  EXPECT_EQ(verdict.objection, "");
  r.overlaps[0].seen[0] = 14;
  verdict = verdicts(r)[0];
  EXPECT_EQ(verdict.kind, Kind::kNo);
  EXPECT_MENTIONS(
      verdict.answer,
      "copy, 72.4\u202f% of the mixture, holds text of quiz (14 of 15 items) and maths (3 of 100 "
      "items); web, 27.6\u202f% of the mixture, holds text of maths (2 of 100 items).");
  EXPECT_MENTIONS(reason_not_to_act(r, verdicts(r)),
                  "of the mixture is copy and web, which hold text of the benchmarks");
}

TEST(Verdicts, ComponentsThatDidNotLearnTheirDatasetsAreNoReasonToTrustWhateverTheGaugeSays) {
  RunResult r;
  r.domains = {{"general", ""}};
  r.datasets = {{.name = "code"}, {.name = "maths"}, {.name = "web"}};
  r.mixture = {0.5, 0.3, 0.2};
  r.gauge = {0.93, "Proxies rank as the components do.", {0.93}};
  r.own_data.components = {{"best", "code"}, {"alike", "web"}, {"", "web"}};
  EXPECT_EQ(answer_to(r, "Before any reference").kind, Kind::kYes);
  r.own_data.components[0].reading = "alike";
  EXPECT_EQ(answer_to(r, "Before any reference").kind, Kind::kPartly);
  EXPECT_MENTIONS(answer_to(r, "Before any reference").answer,
                  "no component is better than the others on held-out text of its own dataset");
  r.own_data.components[0].reading = "best";
  r.own_data.components[1].reading = "behind";
  const Verdict verdict = answer_to(r, "Before any reference");
  EXPECT_EQ(verdict.kind, Kind::kNo);
  EXPECT_EQ(verdict.objection, "the component of maths has not learned its dataset");
  EXPECT_MENTIONS(verdict.answer,
                  "cannot see errors that all estimates share, stands at 0.93 of 1");
  r.own_data.components[2].reading = "below_base";
  EXPECT_EQ(answer_to(r, "Before any reference").brief,
            "the components of maths and web have not learned their datasets");
}

TEST(Verdicts, TheFirstObjectionIsTheReasonNotToAct) {
  RunResult r = result_with({0.8, 0.4, 0.9}, {}, {});
  r.domains = {{"general", ""}, {"code", ""}};
  r.gauge = {0.9, "The components lie too far from the base. Do not act.", {0.9, 0.9}, true};
  EXPECT_EQ(reason_not_to_act(r, verdicts(r)), "") << "there is no mixture";
  r.datasets = {{.name = "Web"}};
  r.mixture = {1};
  EXPECT_EQ(reason_not_to_act(r, verdicts(r)), "the components lie too far from the base");
  r.gauge.verdict = "Web lies elsewhere than the other components: suspect. Do not act.";
  EXPECT_EQ(reason_not_to_act(r, verdicts(r)), "Web lies elsewhere than the other components");
  r.fidelity.proxy.macro.spearman.low = 0.6;
  EXPECT_EQ(reason_not_to_act(r, verdicts(r)), "") << "references have confirmed the proxies";
  r.fidelity.proxy.macro.spearman.low = -0.1;
  EXPECT_EQ(reason_not_to_act(r, verdicts(r)),
            "16 really trained references do not show that the merged proxies rank mixtures better "
            "than chance");
  r.fidelity = {};
  r.gauge = {0.75, "Words.", {1, 0.5}};
  EXPECT_EQ(reason_not_to_act(r, verdicts(r)), "the proxies' gauge is below 0.7 in code (0.50)");
  r.gauge = {0.9, "Words.", {0.9, 0.9}};
  EXPECT_EQ(reason_not_to_act(r, verdicts(r)), "");
}

TEST(Verdicts, HaveNamesForScripts) {
  EXPECT_STREQ(name_of(Kind::kBetterThanChance), "better_than_chance");
  EXPECT_STREQ(name_of(Kind::kNotComputable), "not_computable");
}

TEST(Verdicts, TheBetterFreeBaselineIsTheOneToBeat) {
  const Estimate low{0.2, 0.1, 0.3}, middle{0.5, 0.4, 0.6}, high{0.9, 0.8, 0.95};
  RunResult r = result_with(high, middle, low);
  EXPECT_EQ(verdicts(r)[1].kind, Kind::kNoEvidence) << "the lead is not known";
  r.fidelity.over_interpolation.spearman = {0.4, 0.1, 0.6};
  r.fidelity.over_own_share.spearman = {0.7, -0.1, 0.9};
  EXPECT_EQ(verdicts(r)[1].kind, Kind::kYes);
  r.fidelity.over_interpolation.spearman.low = -0.1;
  EXPECT_EQ(verdicts(r)[1].kind, Kind::kNoEvidence);

  r = result_with(middle, low, high);
  r.fidelity.over_own_share.spearman = {-0.4, -0.6, -0.1};
  r.fidelity.over_interpolation.spearman = {0.3, 0.1, 0.4};
  const Verdict beaten = verdicts(r)[1];
  EXPECT_EQ(beaten.kind, Kind::kNo);
  EXPECT_NE(beaten.answer.find("own data share, reaches a Spearman of 0.90"), std::string::npos);
}

TEST(Verdicts, WhatTheReferencesTaughtStandsBesideTheAgreement) {
  RunResult r = result_with({0.5, 0.01, 0.8}, {}, {});
  EXPECT_EQ(verdicts(r)[0].answer.find("Calibrated"), std::string::npos);
  r.fidelity.calibrated.macro.spearman = {0.9, 0.8, 0.95};
  EXPECT_NE(verdicts(r)[0].answer.find("Calibrated by the other references: 0.90"),
            std::string::npos);
}

TEST(Verdicts, AMixtureThatReferencesPlacedIsSetAgainstWhatTheSearchFound) {
  RunResult r;
  r.domains = {{"general", ""}, {"code", ""}};
  EXPECT_EQ(verdicts(r).size(), 4u);
  r.references.resize(2);
  r.references[1].name = "refined_1";
  ASSERT_EQ(verdicts(r).size(), 5u);
  EXPECT_NE(verdicts(r)[3].answer.find("led to expect most: 1; none"), std::string::npos);
  r.searched.name = "searched";
  r.searched.found_gain.domains = {{0.02, 0.005}, {0.01, 0.02}};
  ASSERT_EQ(verdicts(r).size(), 5u);
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kYes);
  EXPECT_NE(verdicts(r)[3].answer.find("general 0.02"), std::string::npos) << verdicts(r)[3].answer;
  r.searched.found_gain.domains[1] = {-0.1, 0.02};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kPartly);
  r.searched.found_gain.domains[0] = {0.001, 0.02};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kNo);
  r.searched.found_gain.domains[1] = {0.001, 0.02};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kNoEvidence);
}

TEST(Verdicts, ABrokenGaugeSaysSoBeforeItsValue) {
  RunResult r;
  r.domains = {{"general", ""}};
  r.gauge = {0.94, "The components lie too far from the base. Do not act.", {0.94}, true};
  const Verdict verdict = answer_to(r, "Before any");
  EXPECT_TRUE(verdict.answer.starts_with("The components lie too far from the base. Do not act."));
  EXPECT_MENTIONS(verdict.answer, "stands at 0.94 of 1 (general 0.94).");
  EXPECT_EQ(verdict.brief, "the components lie too far from the base");
}

TEST(Verdicts, DomainsInWhichAllProxiesScoreAlikeHaveNoGauge) {
  RunResult r;
  r.domains = {{"chat", ""}, {"code", ""}};
  EXPECT_EQ(answer_to(r, "Before any").kind, Kind::kNotKnownYet);
  for (const double value : {1.0, 2.0, 3.0})
    r.search.push_back({.domains = {{0.5, 0.01}, {value, 0.01}}});
  EXPECT_EQ(answer_to(r, "Before any").kind, Kind::kNotComputable);
  EXPECT_EQ(answer_to(r, "Before any").answer,
            "There is no gauge: all proxies score alike in chat.");
  r.gauge = {0.9, "Words.", {kUnknown, 0.9}};
  EXPECT_EQ(answer_to(r, "Before any").kind, Kind::kPartly);
  EXPECT_EQ(answer_to(r, "Before any").answer,
            "The gauge stands at 0.90 of 1 (chat none, code 0.90). Words. All proxies score alike "
            "in chat, which has none.");
}

TEST(Verdicts, NothingShowsThatComponentsAreLongEnough) {
  RunResult r;
  EXPECT_EQ(answer_to(r, "Were the components").question, "") << "it was not asked";
  r.length = {0.94, "Longer components may rank better: 0.94.", {0.9, 0.98}, 0.4};
  EXPECT_EQ(answer_to(r, "Were the components").kind, Kind::kPartly);
  EXPECT_EQ(answer_to(r, "Were the components").brief, "longer components may rank better (0.94)");
  r.length.value = 0.98;
  EXPECT_EQ(answer_to(r, "Were the components").kind, Kind::kNoEvidence);
  r.length.value = kUnknown;
  EXPECT_EQ(answer_to(r, "Were the components").kind, Kind::kNoEvidence);
}

TEST(Verdicts, TheGaugeIsGoodInPartOrNotAtAll) {
  RunResult r;
  r.domains = {{"general", ""}, {"code", ""}};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kNotKnownYet);
  r.gauge = {0.9, "Words.", {0.9, 0.9}};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kYes);
  EXPECT_EQ(verdicts(r)[3].answer,
            "The gauge stands at 0.90 of 1 (general 0.90, code 0.90). Words.");
  r.gauge = {0.8, "Words.", {0.85, 0.75}};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kPartly);
  r.gauge = {0.9, "Words.", {0.9, 0.9}, /*broken=*/true};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kNo);
  r.gauge = {0.75, "Words.", {1, 0.5}};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kNo);
}

TEST(Verdicts, GainIsCountedByDomainAgainstItsError) {
  RunResult r;
  r.domains = {{"general", ""}, {"code", ""}};
  r.found.trained.domains = r.natural.trained.domains =
      r.uniform.trained.domains = {{0.5, 0.1}, {0.5, 0.1}};
  r.natural.found_gain.domains = r.uniform.found_gain.domains = {{0.10, 0.01}, {0.10, 0.01}};
  EXPECT_EQ(verdicts(r)[2].kind, Kind::kYes);
  r.uniform.found_gain.domains[1] = {0.01, 0.014};
  EXPECT_EQ(verdicts(r)[2].kind, Kind::kPartly);
  EXPECT_NE(verdicts(r)[2].answer.find("general: better than both; code: better than natural."),
            std::string::npos)
      << verdicts(r)[2].answer;
  r.natural.found_gain.domains = r.uniform.found_gain.domains = {{0.01, 0.01}, {0.01, 0.01}};
  EXPECT_EQ(verdicts(r)[2].kind, Kind::kNoEvidence);
  r.natural.found_gain.domains[0].value = -0.1;
  EXPECT_EQ(verdicts(r)[2].kind, Kind::kNo);
  r.natural.found_gain.domains[0].standard_error = kUnknown;
  EXPECT_EQ(verdicts(r)[2].kind, Kind::kNoEvidence) << "nothing is claimed without an error";

  // Token counts as they are, once a model was trained on them.
  MixtureFacts as_counted;
  as_counted.name = "natural_unprojected";
  as_counted.trained = r.natural.trained;
  as_counted.found_gain.domains = {{-0.10, 0.01}, {-0.10, 0.01}};
  r.references = {as_counted};
  EXPECT_EQ(verdicts(r)[2].kind, Kind::kNo);
  EXPECT_NE(verdicts(r)[2].answer.find("Natural is the token counts as they are"),
            std::string::npos);
}

}  // namespace
}  // namespace demix
