#include "demix/evaluate/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"

namespace demix {
namespace {

Item choice_item(std::vector<std::string> choices, int gold) {
  Item item{
      .id = "1", .contexts = {"c"}, .continuations = {}, .gold = gold, .chars = {}, .bytes = {}};
  for (const std::string& choice : choices) {
    item.continuations.push_back(" " + choice);
    item.chars.push_back(static_cast<int64_t>(choice.size()));
    item.bytes.push_back(static_cast<int64_t>(choice.size()));
  }
  return item;
}

Task task_of(std::vector<Item> items) {
  return {
      .name = "t",
      .domain = "d",
      .primary_metric = "acc",
      .metrics =
          {"acc", "acc_norm", "acc_bytes", "acc_tokens", "choice_prob", "choice_prob_norm", "bpb"},
      .items = std::move(items),
      .hash = ""};
}

ItemScore score_of(std::vector<double> loglikelihoods, std::vector<int64_t> tokens) {
  return {"t", "1", 0, std::move(loglikelihoods), std::move(tokens)};
}

TEST(Metrics, OneItemByHand) {
  Item item = choice_item({"abcd", "ab"}, 0);
  item.chars = {2, 2};  // as if two characters took two bytes each
  const auto metrics = task_metrics(task_of({item}), std::vector{score_of({-3, -2}, {4, 1})});
  EXPECT_EQ(metrics.at("acc").value, 0);
  EXPECT_EQ(metrics.at("acc_norm").value, 0);    // -1.5 against -1
  EXPECT_EQ(metrics.at("acc_bytes").value, 1);   // -0.75 against -1
  EXPECT_EQ(metrics.at("acc_tokens").value, 1);  // -0.75 against -2
  EXPECT_NEAR(metrics.at("choice_prob").value, 1 / (1 + std::exp(1)), 1e-15);
  EXPECT_NEAR(metrics.at("choice_prob_norm").value, 1 / (1 + std::exp(-0.25)), 1e-15);
  EXPECT_NEAR(metrics.at("bpb").value, 3 / std::log(2) / 4, 1e-15);
  EXPECT_EQ(metrics.at("bpb").n, 1);
  EXPECT_TRUE(std::isnan(metrics.at("bpb").stderr_));
}

TEST(Metrics, OfEqualScoresTheFirstChoiceIsTheModels) {
  const auto metrics =
      task_metrics(task_of({choice_item({"a", "b"}, 0), choice_item({"a", "b"}, 1)}),
                   std::vector{score_of({-1, -1}, {1, 1}), score_of({-1, -1}, {1, 1})});
  EXPECT_EQ(metrics.at("acc").value, 0.5);
  EXPECT_DOUBLE_EQ(metrics.at("acc").stderr_, 0.5);  // sample deviation √½, over √2
}

TEST(Metrics, BitsPerByteIsARatioOfSumsWithTheDeltaMethodsError) {
  const MetricValue value = metric_value({{2, 9}, {1, 3}});
  EXPECT_DOUBLE_EQ(value.value, 11.0 / 4);
  // Residuals 2 - 2.75 and 9 - 8.25; √(2 · 0.75² / 2) / 2.
  EXPECT_DOUBLE_EQ(value.stderr_, 0.75 / 2);
}

TEST(Metrics, PerplexityIsOfWholeAnswers) {
  Task task = task_of({choice_item({"a"}, 0), choice_item({"bcd"}, 0)});
  task.metrics = {"perplexity"};
  const auto metrics = task_metrics(task, std::vector{score_of({-1}, {1}), score_of({-3}, {2})});
  const MetricValue value = metrics.at("perplexity");
  EXPECT_NEAR(value.value, std::exp(2), 1e-12);
  EXPECT_NEAR(value.stderr_, std::exp(2), 1e-12);  // sample deviation √2 over √2, times e²
  EXPECT_FALSE(higher_is_better("perplexity"));
}

// Log-likelihoods that are right where `right` says so.
std::vector<ItemScore> scores_of(const std::vector<int>& right) {
  std::vector<ItemScore> scores;
  for (int value : right) scores.push_back(score_of({value ? -1.0 : -3.0, -2}, {1, 1}));
  return scores;
}

TEST(Metrics, GroupsAreAveragedAsTheHarnessDoes) {
  const Json expected =
      Json::parse(read_file(std::filesystem::path(DEMIX_SOURCE_DIR) /
                            "tests/data/evaluate/benchmarks/expected.json"))["group"];
  Task task;
  task.metrics = {"acc", "bpb"};
  std::vector<int> right;
  for (const Json& member : expected["members"]) {
    task.members.push_back(
        {fmt::format("m{}", task.members.size()), static_cast<int64_t>(member.size())});
    for (const Json& value : member) {
      right.push_back(value.get<int>());
      task.items.push_back(choice_item({"a", "b"}, 0));
    }
  }
  const auto scores = scores_of(right);
  for (const bool equally : {false, true}) {
    task.members_count_equally = equally;
    const Json& values = expected[equally ? "equal" : "items"];
    const MetricValue acc = task_metrics(task, scores).at("acc");
    EXPECT_NEAR(acc.value, values["acc"].get<double>(), 1e-12);
    EXPECT_NEAR(acc.stderr_, values["stderr"].get<double>(), 1e-12);
    EXPECT_EQ(acc.n, static_cast<int64_t>(right.size()));
    // Bits per byte of members: the terms of the whole have its value.
    double sum = 0;
    const auto members = member_metrics(task, scores);
    ASSERT_EQ(members.size(), task.members.size());
    for (const auto& [name, metrics] : members) sum += metrics.at("bpb").value;
    if (equally) {
      EXPECT_NEAR(task_metrics(task, scores).at("bpb").value,
                  sum / static_cast<double>(task.members.size()),
                  1e-12);
    }
    EXPECT_NEAR(metric_value(item_terms(task, "bpb", scores)).value,
                task_metrics(task, scores).at("bpb").value,
                1e-12);
  }
}

TEST(Metrics, OtherTasksHaveNoMembers) {
  EXPECT_TRUE(
      member_metrics(task_of({choice_item({"a", "b"}, 0)}), std::vector{score_of({-1, -2}, {1, 1})})
          .empty());
}

TEST(Metrics, MembersOfUnequalBytesCountEquallyByTheirRatios) {
  Task task = task_of({choice_item({"a"}, 0), choice_item({"bb"}, 0), choice_item({"cccc"}, 0)});
  task.metrics = {"bpb"};
  task.members = {{"x", 2}, {"y", 1}};
  task.members_count_equally = true;
  const double bit = std::log(2);
  const std::vector scores{
      score_of({-1 * bit}, {1}), score_of({-5 * bit}, {1}), score_of({-16 * bit}, {1})};
  EXPECT_NEAR(task_metrics(task, scores).at("bpb").value, (2.0 + 4.0) / 2, 1e-12);
}

TEST(Metrics, APairedDifferenceIsThatOfTheItemsDifferences) {
  // Means: differences 1, 1, 4; their mean 2, their sample deviation √3.
  const ItemTerms a{{5, 1, 9}, {1, 1, 1}}, b{{6, 2, 13}, {1, 1, 1}};
  const MetricValue gain = paired_difference(a, b);
  EXPECT_DOUBLE_EQ(gain.value, 2);
  EXPECT_DOUBLE_EQ(gain.stderr_, 1);
  EXPECT_EQ(gain.n, 3);
  // Ratios: what is twice as long counts twice. R is 2 and 3; residuals of the difference vanish.
  const MetricValue ratio = paired_difference({{2, 4}, {1, 2}}, {{3, 6}, {1, 2}});
  EXPECT_DOUBLE_EQ(ratio.value, 1);
  EXPECT_DOUBLE_EQ(ratio.stderr_, 0);
  EXPECT_THROW(paired_difference({{2, 4}, {1, 2}}, {{2, 4}, {1, 3}}), Error);
}

TEST(Metrics, PassAtKIsTheMeanOverItemsOfTheChanceThatOneOfKIsRight) {
  Task task = task_of({choice_item({"a"}, 0), choice_item({"a"}, 0)});
  task.metrics = {"pass@1", "pass@2", "exact_match"};
  std::vector scores{score_of({-1}, {1}), score_of({-1}, {1})};
  for (const bool right : {true, false, false})
    scores[0].answers.push_back({"", {"", "", {{"exact_match", right ? 1 : 0}}, right}});
  for (int i = 0; i < 3; ++i) scores[1].answers.push_back({"", {"", "", {{"exact_match", 0}}}});
  const auto metrics = task_metrics(task, scores);
  EXPECT_DOUBLE_EQ(metrics.at("pass@1").value, 1.0 / 6);
  EXPECT_DOUBLE_EQ(metrics.at("exact_match").value, 1.0 / 6);
  // Of two of the three, one is right with probability 2/3; and none of the other item's.
  EXPECT_DOUBLE_EQ(metrics.at("pass@2").value, 1.0 / 3);
  EXPECT_DOUBLE_EQ(metrics.at("pass@2").stderr_, 1.0 / 3);
  EXPECT_EQ(metrics.at("pass@2").n, 2);
}

TEST(Metrics, PassAtKIsAMetricForEveryK) {
  EXPECT_EQ(pass_k("pass@10"), 10);
  for (const char* name : {"pass@", "pass@0", "pass@01", "pass@1x", "pass@-1", "acc"})
    EXPECT_FALSE(pass_k(name)) << name;
  EXPECT_TRUE(is_metric("pass@7"));
  EXPECT_FALSE(is_metric("pass@0"));
  EXPECT_TRUE(needs_generation("pass@7"));
}

TEST(Metrics, ANonFiniteLogLikelihoodNamesTaskAndItem) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  try {
    task_metrics(task_of({choice_item({"a", "b"}, 0)}), std::vector{score_of({nan, -1}, {1, 1})});
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("task t, item 1: a log-likelihood is nan"))
        << error.what();
  }
}

TEST(Metrics, ChanceIsTheMeanOverItemsOfOneOverTheirChoices) {
  const Task task = task_of({choice_item({"a", "b"}, 0), choice_item({"a", "b", "c", "d"}, 0)});
  EXPECT_EQ(chance_level(task), 0.375);
}

TEST(Metrics, AccuracyIsAtChanceUpToTwoStandardErrorsOfGuessing) {
  std::vector<Item> items(100, choice_item({"a", "b"}, 0));  // standard error of guessing: 0.05
  const Task task = task_of(items);
  EXPECT_TRUE(at_chance(task, {0.59, 0, 100}));
  EXPECT_FALSE(at_chance(task, {0.61, 0, 100}));
  EXPECT_TRUE(at_chance(task, {0.2, 0, 100}));
  EXPECT_FALSE(at_chance(task_of({choice_item({"a"}, 0)}), {0, 0, 1}));
}

TEST(Metrics, ScoresSurviveJson) {
  Scores scores;
  scores.tasks["arc_easy"]["acc"] = {0.1, 0.01, 7};
  scores.tasks["arc_easy"]["bpb"] = {1.5, std::numeric_limits<double>::quiet_NaN(), 7};
  Json json;
  to_json(json, scores);
  EXPECT_EQ(json.dump(),
            R"({"arc_easy":{"n":7,"acc":0.1,"acc_stderr":0.01,"bpb":1.5,"bpb_stderr":null}})");
  Scores back;
  from_json(json, back);
  EXPECT_EQ(back.tasks["arc_easy"]["acc"].stderr_, 0.01);
  EXPECT_EQ(back.tasks["arc_easy"]["bpb"].value, 1.5);
  EXPECT_TRUE(std::isnan(back.tasks["arc_easy"]["bpb"].stderr_));
  EXPECT_EQ(back.tasks["arc_easy"].size(), 2u);
}

TEST(Metrics, BitsPerByteAndPerplexityAreBetterWhenLower) {
  for (const std::string& metric : known_metrics())
    EXPECT_EQ(higher_is_better(metric), metric != "bpb" && metric != "perplexity");
  EXPECT_THROW(higher_is_better("accuracy"), Error);
}

TEST(Metrics, PerplexitiesOfTextsAreOfAllWordsAndBytesTogether) {
  std::vector<Item> items;
  for (const int64_t words : {2, 4}) {
    Item item = choice_item({"a"}, 0);
    item.words = words;
    item.bytes = {10 * words};
    items.push_back(item);
  }
  Task task = task_of(items);
  task.rolls = true;
  task.metrics = {"word_perplexity", "byte_perplexity", "bits_per_byte", "bpb"};
  const auto metrics = task_metrics(task, std::vector{score_of({-6}, {3}), score_of({-6}, {3})});
  EXPECT_NEAR(metrics.at("word_perplexity").value, std::exp(2), 1e-12);
  EXPECT_NEAR(metrics.at("byte_perplexity").value, std::exp(0.2), 1e-12);
  EXPECT_NEAR(metrics.at("bits_per_byte").value, 0.2 / std::log(2), 1e-12);
  EXPECT_EQ(metrics.at("bpb").value, metrics.at("bits_per_byte").value);
  // Residuals 6 - 2 · 2 and 6 - 2 · 4, over a mean of 3 words.
  EXPECT_NEAR(
      metrics.at("word_perplexity").stderr_, std::exp(2) * std::sqrt((4.0 + 4.0) / 2) / 3, 1e-9);
}

}  // namespace
}  // namespace demix
