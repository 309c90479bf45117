#include "demix/run/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "demix/core/error.h"
#include "demix/core/progress.h"

namespace demix {
namespace {

std::vector<Task> tasks() {
  Task arc, gsm;
  arc.name = "arc_easy";
  arc.domain = "general";
  arc.primary_metric = "bpb";
  arc.metrics = {"acc", "bpb"};
  gsm.name = "gsm8k";
  gsm.domain = "math";
  gsm.primary_metric = "bpb";
  gsm.metrics = {"bpb"};
  return {arc, gsm};
}

using Domains = std::map<std::string, std::vector<std::string>>;

std::vector<ScoredMetric> metrics_in(const Domains& domains,
                                     const std::vector<Task>& tasks,
                                     const std::vector<std::string>& datasets) {
  EvaluateConfig config;
  config.domains = domains;
  return metrics_of(config, tasks, datasets);
}

std::string message(const Domains& written) {
  try {
    metrics_in(written, tasks(), {"code_high", "wiki"});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ExternalMetrics, AreThoseOfTasksThatAreNotOurs) {
  EvaluateConfig config;
  config.command = "run {model} {output}";
  config.lower_is_better = {"loss"};
  config.domains = {{"all", {"quiz:acc", "quiz:loss", "quiz:perplexity", "arc_easy:acc"}}};
  const auto metrics = metrics_of(config, tasks(), {});
  ASSERT_EQ(metrics.size(), 4u);
  EXPECT_TRUE(metrics[0].external);
  EXPECT_EQ(metrics[0].task, "quiz");
  EXPECT_EQ(metrics[0].measure, "acc");
  EXPECT_TRUE(metrics[0].metric.higher_is_better);
  EXPECT_FALSE(metrics[1].metric.higher_is_better);
  EXPECT_FALSE(metrics[2].metric.higher_is_better);  // known by its name
  EXPECT_FALSE(metrics[3].external);
  config.command = "";
  EXPECT_THROW(metrics_of(config, tasks(), {}), Error);
  config.command = "run {model} {output}";
  config.domains = {{"all", {"arc_easy:acc"}}};
  config.lower_is_better = {};
  EXPECT_THROW(metrics_of(config, tasks(), {}), Error);
}

TEST(ExternalMetrics, ANameThatSaysThatLessIsBetterIsWarnedOfWhereMoreIs) {
  const auto said = [](const std::string& entry) {
    const std::vector<std::string> all = warnings();
    return std::any_of(all.begin(), all.end(), [&](const std::string& warning) {
      return warning.starts_with("More of " + entry + " is taken to be better");
    });
  };
  EvaluateConfig config;
  config.command = "run {model} {output}";
  config.domains = {{"all", {"chat:nll", "chat:bpt", "chat:reward"}}};
  config.lower_is_better = {"bpt"};
  metrics_of(config, tasks(), {});
  EXPECT_TRUE(said("chat:nll"));
  EXPECT_FALSE(said("chat:bpt"));
  EXPECT_FALSE(said("chat:reward"));
}

TEST(Metrics, WithoutDomainsEveryTaskStandsUnderItsOwn) {
  const auto metrics = metrics_in({}, tasks(), {});
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].metric.name, "arc_easy");
  EXPECT_EQ(metrics[0].metric.domain, "general");
  EXPECT_EQ(metrics[0].measure, "bpb");
  EXPECT_FALSE(metrics[0].metric.higher_is_better);
}

TEST(Metrics, EnsemblesScoreLikelihoodsButNoGeneratedAnswers) {
  std::vector<Task> all = tasks();
  for (Task& task : all) task.items.resize(1);
  all[0].items[0].continuations = {" a", " b"};
  all[1].items[0].continuations = {" 18"};
  all[1].metrics.push_back("exact_match");
  const auto likelihoods = metrics_in({{"all", {"arc_easy:acc", "gsm8k"}}}, all, {});
  EXPECT_EQ(resolve_proxies("auto", likelihoods, all), ProxyKind::kEnsemble);
  EXPECT_EQ(resolve_proxies("merged", likelihoods, all), ProxyKind::kMerged);
  const auto answers = metrics_in({{"all", {"gsm8k:exact_match"}}}, all, {});
  EXPECT_EQ(resolve_proxies("auto", answers, all), ProxyKind::kMerged);
  try {
    resolve_proxies("ensemble", answers, all);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("has no exact_match of gsm8k"), std::string::npos)
        << error.what();
  }
}

TEST(Metrics, ExamplesAreCountedByTask) {
  EvaluateConfig config;
  config.tasks = {"arc_challenge", "sciq"};
  config.tasks_folder = std::filesystem::path(DEMIX_SOURCE_DIR) / "tasks";
  config.data = std::filesystem::path(DEMIX_SOURCE_DIR) / "tests/data/evaluate/benchmarks";
  const auto before = load_tasks(config);
  config.fewshot = {{"sciq", 2}};
  const auto after = load_tasks(config);
  EXPECT_EQ(after[0].hash, before[0].hash);
  EXPECT_NE(after[1].hash, before[1].hash);
  EXPECT_TRUE(after[1].items[0].contexts[0].ends_with("\n\n" + before[1].items[0].contexts[0]));
}

TEST(Metrics, ExamplesAreSetForTasksOfTheRunOnly) {
  EvaluateConfig config;
  config.tasks = {"arc_easy"};
  const auto refused = [&](const std::string& task, int64_t number) {
    config.fewshot = {{task, number}};
    try {
      load_tasks(config);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(refused("gsm8k", 5), "evaluate.fewshot: the task 'gsm8k' is not in evaluate.tasks");
  EXPECT_EQ(refused("arc_easy", -1),
            "evaluate.fewshot.arc_easy: expected a number of examples, found -1");
}

TEST(Metrics, EntriesNameTasksMeasuresAndHeldOutText) {
  const auto metrics =
      metrics_in({{"all", {"arc_easy:acc", "held_out/code_high"}}}, tasks(), {"code_high"});
  EXPECT_EQ(metrics[0].measure, "acc");
  EXPECT_TRUE(metrics[0].metric.higher_is_better);
  EXPECT_EQ(metrics[1].task, "held_out/code_high");
  EXPECT_EQ(metrics[1].measure, "bpb");
}

TEST(Metrics, WhatIsNotThereIsRefusedByName) {
  EXPECT_EQ(message({{"g", {"piqa"}}}),
            "evaluate.domains.g: 'piqa': the task is not in evaluate.tasks");
  EXPECT_EQ(message({{"g", {"arc_easy:f1"}}}),
            "evaluate.domains.g: 'arc_easy:f1': the task has no metric 'f1'; it has acc, bpb");
  EXPECT_EQ(
      message({{"g", {"held_out/code_hihg"}}}),
      "evaluate.domains.g: 'held_out/code_hihg': there is no dataset 'code_hihg'; did you mean "
      "'code_high'?");
  EXPECT_EQ(message({{"f", {"arc_easy"}}, {"g", {"arc_easy"}}}),
            "evaluate.domains.g: 'arc_easy' is named twice");
  EXPECT_EQ(message({{"g", {}}}), "evaluate.domains.g: has no scores");
}

TEST(Metrics, AMissingScoreIsAnErrorAndNotZero) {
  const auto metrics = metrics_in({}, tasks(), {});
  Scores scores;
  scores.tasks["arc_easy"]["bpb"] = {1.5, 0.1, 3};
  EXPECT_THROW(measurements_of(scores, metrics, "proxy 1"), Error);
  scores.tasks["gsm8k"]["bpb"] = {2.5, 0.2, 3};
  const Measurements measurements = measurements_of(scores, metrics, "proxy 1");
  EXPECT_EQ(measurements.at("gsm8k").value, 2.5);
  EXPECT_EQ(measurements.at("gsm8k").standard_error, 0.2);
}

}  // namespace
}  // namespace demix
