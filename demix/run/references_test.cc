#include "demix/run/references.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "demix/core/progress.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

const std::vector<std::string> kNames = {"a", "b", "c"};
const Composition kComposition = Composition::anchored(kNames, "a", 0.5);

std::vector<MixtureFacts> chosen(int count, std::vector<int64_t> tokens) {
  ValidateConfig config;
  config.references = count;
  return choose_references(
      config, kComposition, tokens, std::vector<double>{0.2, 0.3, 0.5}, Rng(1));
}

TEST(References, UniformNaturalAndFoundComeFirstThenRandomOnes) {
  // a holds at least half of every component's data: 70 % a can be reached.
  const auto references = chosen(6, {70, 20, 10});
  ASSERT_EQ(references.size(), 6u);
  EXPECT_EQ(references[0].name, "uniform");
  EXPECT_EQ(references[1].name, "natural");
  EXPECT_EQ(references[2].name, "found");
  EXPECT_NEAR(references[0].mixture[0], 1.0 / 3 + 2.0 / 3 * 0.5, 1e-12);
  EXPECT_NEAR(references[1].mixture[1], 0.2, 1e-9);
  EXPECT_TRUE(references[1].note.empty());
  EXPECT_EQ(references[2].merge_weights, (std::vector<double>{0.2, 0.3, 0.5}));
  EXPECT_NE(references[3].merge_weights, references[4].merge_weights);
}

TEST(References, ANaturalMixtureOutOfReachIsProjectedAndAlsoTrainedAsItIs) {
  const auto references = chosen(4, {10, 60, 30});
  ASSERT_EQ(references.size(), 5u);
  EXPECT_NEAR(references[1].mixture[0], 0.5, 1e-9);
  EXPECT_FALSE(references[1].note.empty());
  EXPECT_EQ(references[4].name, "natural_unprojected");
  EXPECT_TRUE(references[4].merge_weights.empty());
  EXPECT_FALSE(references[4].in_correlations);
  EXPECT_NEAR(references[4].mixture[1], 0.6, 1e-12);
}

TEST(References, BaselinesAreUniformNaturalFlattenedAndWhatIsUsedToday) {
  const std::vector<int64_t> tokens = {800, 160, 40};
  const auto without = choose_baselines(kComposition, tokens, 0.5, {});
  ASSERT_EQ(without.size(), 3u);
  EXPECT_EQ(without[1].name, "natural");
  EXPECT_NEAR(without[1].mixture[0], 0.8, 1e-9);
  // √800 : √160 : √40 = 28.28 : 12.65 : 6.32
  EXPECT_NEAR(without[2].mixture[0], 28.284 / 47.258, 1e-4);
  EXPECT_NEAR(without[2].mixture[2], 6.3246 / 47.258, 1e-4);

  const auto with = choose_baselines(kComposition, tokens, 0.5, {{"a", 0.4}, {"b", 0.6}});
  ASSERT_EQ(with.size(), 4u);
  EXPECT_EQ(with[3].name, "current");
  EXPECT_NEAR(with[3].mixture[1], 0.5, 1e-6);  // all that components that are half a can have
  EXPECT_NE(with[3].note.find("the current mixture, projected"), std::string::npos);
}

TEST(References, TheSameSeedChoosesTheSameMixtures) {
  EXPECT_EQ(chosen(8, {1, 1, 1})[7].merge_weights, chosen(8, {1, 1, 1})[7].merge_weights);
}

TEST(References, InterpolationAveragesScoresByMergeWeight) {
  const std::vector<std::vector<Score>> components = {{{1, 0.3}}, {{3, 0.4}}};
  const auto scores = interpolated_scores(std::vector<double>{0.5, 0.5}, components);
  EXPECT_DOUBLE_EQ(scores[0].value, 2);
  EXPECT_DOUBLE_EQ(scores[0].standard_error, 0.25);
}

TEST(References, OwnShareSumsTheDatasetsOfADomainAndIsUnknownWithoutAny) {
  std::vector<DatasetFacts> datasets(3);
  datasets[0].domain = datasets[2].domain = "math";
  const auto shares =
      own_shares(std::vector<double>{0.2, 0.3, 0.5}, datasets, {{"math", ""}, {"code", ""}});
  EXPECT_DOUBLE_EQ(shares[0].value, 0.7);
  EXPECT_TRUE(std::isnan(shares[1].value));
}

bool was_said(const std::string& text) {
  const std::vector<std::string> all = warnings();
  return std::find(all.begin(), all.end(), text) != all.end();
}

TEST(References, ThoseFromElsewhereThatLeaveTheStatisticsAreWarnedOfWithTheReason) {
  auto references = imported_references(
      {{"far", {"/far", {{"b", 1}}, {}}}, {"near", {"/near", {{"a", 1}}, {}}}}, kComposition);
  EXPECT_FALSE(references[0].in_correlations);
  EXPECT_TRUE(references[1].in_correlations);
  EXPECT_TRUE(
      was_said("Of the 2 references of validate.import 1 are outside the statistics, the first is "
               "far: no weighted merge of the components has this data; the nearest differs in "
               "50.0 % of it."));
  references.push_back(references[1]);
  references.back().name = "near_again";
  note_repetitions(references);
  EXPECT_FALSE(references.back().in_correlations);
  EXPECT_TRUE(
      was_said("The reference near_again is outside the statistics: the same mixture as "
               "near, which alone is in the statistics."));
}

TEST(References, WhatTheScoresOfOthersLeaveOutIsWarnedOf) {
  const TemporaryFolder folder;
  ValidateConfig config;
  config.scores = {folder.write("m.csv", "run,a,b,c\nx,.6,.2,.2\ny,.5,.25,.25\n"),
                   folder.write("s.csv", "run,quiz:acc,other\nx,0.5,1\ny,0.6,\n")};
  const ScoredMetric quiz = {{"quiz:acc", "all", true}, "quiz", "acc", true};
  const auto references = scored_references(config, kComposition, {quiz});
  ASSERT_EQ(references.size(), 1u);
  const std::string file = config.scores->scores.string();
  EXPECT_TRUE(was_said(file + ": 1 of 2 runs have a score missing and were left out, the first in "
                              "line 3, column 'other'."));
  EXPECT_TRUE(
      was_said(file + ": left out as no scores of this run (evaluate.domains): column 'other'."));
}

// Five references whose proxies rank them perfectly, whose interpolation ranks them backwards.
std::vector<MixtureFacts> scored_references() {
  std::vector<MixtureFacts> references(5);
  for (int i = 0; i < 5; ++i) {
    references[i].trained.domains = {{-2.0 + 0.1 * i, 0.01}};
    references[i].proxy.domains = {{-2.1 + 0.05 * i, 0.01}};
    references[i].interpolation = {{-2.0 - 0.1 * i, 0.01}};
    references[i].own_share = {{kUnknown, kUnknown}};
  }
  references.push_back(references[0]);
  references.back().in_correlations = false;
  references.back().proxy.domains = {{100, 0}};
  return references;
}

TEST(Fidelity, AgreementCountsOnlyReferencesInsideTheCorrelations) {
  const Fidelity fidelity = measure_fidelity(scored_references(), 1, 200, Rng(1));
  EXPECT_EQ(fidelity.references, 5);
  EXPECT_DOUBLE_EQ(fidelity.proxy.macro.spearman.value, 1);
  EXPECT_DOUBLE_EQ(fidelity.proxy.macro.regret.value, 0);
  EXPECT_DOUBLE_EQ(fidelity.interpolation.domains[0].spearman.value, -1);
}

TEST(Fidelity, LossesHaveNoCapabilityRecoveryAndUnknownSharesNoAgreement) {
  const Fidelity fidelity = measure_fidelity(scored_references(), 1, 200, Rng(1));
  EXPECT_TRUE(std::isnan(fidelity.proxy.macro.capability_recovery.value));
  EXPECT_TRUE(std::isnan(fidelity.own_share.macro.spearman.value));
}

}  // namespace
}  // namespace demix
