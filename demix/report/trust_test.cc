#include "demix/report/trust.h"

#include <gtest/gtest.h>

#include <cmath>

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

TEST(Verdicts, AgreementIsClaimedOnlyWhereTheIntervalExcludesZero) {
  EXPECT_EQ(verdicts(result_with({0.5, 0.01, 0.8}, {}, {}))[0].kind, Kind::kYes);
  EXPECT_EQ(verdicts(result_with({0.5, -0.01, 0.8}, {}, {}))[0].kind, Kind::kNoEvidence);
  EXPECT_EQ(verdicts(result_with({-0.5, -0.8, -0.1}, {}, {}))[0].kind, Kind::kNo);
  EXPECT_EQ(verdicts(result_with({0.5, kUnknown, kUnknown}, {}, {}))[0].kind, Kind::kNotKnownYet);
  EXPECT_EQ(verdicts(RunResult{})[0].kind, Kind::kNotKnownYet);
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
  EXPECT_NE(beaten.answer.find("own data share reaches a Spearman of 0.90"), std::string::npos);
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

TEST(Verdicts, TheGaugeIsGoodInPartOrNotAtAll) {
  RunResult r;
  r.domains = {{"general", ""}, {"code", ""}};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kNotKnownYet);
  r.gauge = {0.9, "Words.", {0.9, 0.9}};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kYes);
  EXPECT_EQ(verdicts(r)[3].answer,
            "The gauge stands at 0.90 of 1 (general 0.90, code 0.90). Words.");
  r.length = {0.94, "Longer.", {0.9, 0.98}, 0.4};
  EXPECT_EQ(verdicts(r)[3].kind, Kind::kPartly);
  EXPECT_TRUE(verdicts(r)[3].answer.ends_with("Words. Longer.")) << verdicts(r)[3].answer;
  r.length = {};
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

TEST(AtChance, OnlyWhenNoModelIsClearlyBetterThanGuessing) {
  TaskFacts task{.name = "piqa", .chance = 0.5};
  EXPECT_TRUE(at_chance(task, {{0.51, 0.01}, {0.49, 0.01}}));
  EXPECT_FALSE(at_chance(task, {{0.51, 0.01}, {0.53, 0.01}}));
  EXPECT_FALSE(at_chance(task, {})) << "nothing is known";
  task.higher_is_better = false;
  EXPECT_FALSE(at_chance(task, {{0.40, 0.01}}));
  task.chance = kUnknown;
  EXPECT_FALSE(at_chance(task, {{0.51, 0.01}}));
}

}  // namespace
}  // namespace demix
