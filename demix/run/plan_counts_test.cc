#include "demix/run/plan_counts.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace demix {
namespace {

RunConfig config() {
  RunConfig config;
  for (const char* name : {"a", "b", "c"}) config.datasets[name] = {};
  config.anchor = "a";
  config.train.sequence_length = 10;
  config.train.rows_per_step = 10;
  config.base.tokens = 1000;
  config.components.tokens = 450;
  config.components.keep_early = 0;
  config.search.rounds = 1;
  config.search.proxies = 20;
  config.search.select_share = 0.5;
  config.validate.references = 5;
  config.validate.tokens = 900;
  return config;
}

PieceCosts costs() {
  PieceCosts costs;
  costs.parameters = 1000;
  costs.flops_per_token = 6;
  costs.parallel_models = 2;
  costs.step_seconds = {{1, 1.0}, {2, 3.0}};
  costs.corpus = {{{"a", 5000}, {"b", 5000}, {"c", 90}}, 7, 10090};
  costs.scoring = {2, 100, 50};
  return costs;
}

const PlanStage& stage(const Plan& plan, const std::string& name) {
  return *std::find_if(plan.stages.begin(), plan.stages.end(), [&](const PlanStage& stage) {
    return stage.name == name;
  });
}

TEST(PlanCounts, TrainingIsCountedInWavesOfModels) {
  const Plan plan = count_work(config(), {}, costs());
  EXPECT_EQ(stage(plan, "train base").seconds, 10 * 1.0);
  const PlanStage& components = stage(plan, "train components");
  EXPECT_EQ(components.models, 3);
  EXPECT_EQ(components.tokens, 3 * 450);
  EXPECT_EQ(components.flops, 6.0 * 3 * 450);
  EXPECT_EQ(components.seconds, 2 * 5 * 3.0) << "two waves of five steps, the last one whole";
  // The natural mixture as it is comes on top of the five.
  EXPECT_EQ(stage(plan, "train references").models, 6);
  EXPECT_EQ(stage(plan, "train references").seconds, 3 * 9 * 3.0);
  double sum = 0;
  for (const PlanStage& each : plan.stages) sum += each.seconds;
  EXPECT_DOUBLE_EQ(plan.seconds, sum);
  EXPECT_EQ(models_at_once(config(), 2), (std::set<int>{1, 2}));
  EXPECT_EQ(models_at_once(config(), 8), (std::set<int>{1, 3, 6, 8}));
}

TEST(PlanCounts, EnsemblesTakeAPassOfEachComponentAndMergesOneOfEachProxy) {
  const Plan ensembles = count_work(config(), {}, costs());
  // Components twice on all items, once on half of them; a baseline for each reference.
  EXPECT_EQ(stage(ensembles, "search").models, 2 * 3 + 5 + 3);
  EXPECT_DOUBLE_EQ(stage(ensembles, "search").seconds, (2 * 3 + 5 + 0.5 * 3) * 2);
  const Plan merges = count_work(config(), {.ensembles = false, .merged = true}, costs());
  // Four baselines and two random references on all items, 20 proxies and the baselines on half.
  EXPECT_EQ(stage(merges, "search").models, 3 + 4 + 2 + 20 + 4);
  EXPECT_DOUBLE_EQ(stage(merges, "search").seconds, (3 + 4 + 2 + 0.5 * 24) * 2);
  RunConfig refined = config();
  refined.validate.refine = 2;
  EXPECT_EQ(stage(count_work(refined, {.merged = true}, costs()), "refine").models, 2 * 21);
  EXPECT_EQ(stage(count_work(refined, {}, costs()), "refine").models, 2);
}

TEST(PlanCounts, ComponentsThatAreKeptOnTheWayCountInPassesAndBytes) {
  RunConfig kept = config();
  kept.components.keep_early = 0.4;
  const Plan plan = count_work(kept, {}, costs()), without = count_work(config(), {}, costs());
  EXPECT_EQ(stage(plan, "search").models, stage(without, "search").models + 3);
  EXPECT_EQ(plan.disk_bytes, without.disk_bytes + 3 * 4000);
  kept.components.command = "train";
  EXPECT_EQ(count_work(kept, {}, costs()).disk_bytes, without.disk_bytes);
}

TEST(PlanCounts, TheBaseReadsHeldOutTextOnce) {
  PieceCosts with_text = costs();
  with_text.scoring.text_flops = 20;
  with_text.scoring.text_tokens = 10;  // of 50, which take two seconds
  const Plan plan = count_work(config(), {}, with_text),
             without = count_work(config(), {}, costs());
  EXPECT_EQ(stage(plan, "search").models, stage(without, "search").models + 1);
  EXPECT_EQ(stage(plan, "search").tokens, stage(without, "search").tokens + 10);
  EXPECT_DOUBLE_EQ(stage(plan, "search").flops, stage(without, "search").flops + 20);
  EXPECT_DOUBLE_EQ(stage(plan, "search").seconds, stage(without, "search").seconds + 0.4);
  EXPECT_EQ(stage(plan, "validate").models, stage(without, "validate").models);
}

TEST(PlanCounts, WhatIsFewIsWarnedOf) {
  RunConfig few = config();
  few.search.proxies = 11;
  few.evaluate.command = "score {model} {output}";
  const Plan plan = count_work(few, {.ensembles = false, .merged = true}, costs());
  ASSERT_EQ(plan.warnings.size(), 3u);
  // Components, proxies, baselines, random references, and models of references.
  EXPECT_EQ(plan.warnings[0],
            "The time of evaluate.command is not in the plan: it runs up to 26 times.");
  EXPECT_EQ(plan.warnings[1],
            "Dataset c has about 90 tokens; its component would read it 4.5 times.");
  EXPECT_EQ(plan.warnings[2], "11 proxies are few for 3 datasets; at least 12 are advised.");
}

}  // namespace
}  // namespace demix
