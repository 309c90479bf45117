#include "demix/search/swarm_directions.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

using Columns = std::vector<std::pair<std::string, std::vector<double>>>;

Swarm swarm_of(const Columns& columns) {
  Swarm swarm;
  for (const auto& [name, scores] : columns) {
    swarm.metrics.push_back(name);
    swarm.scores.push_back(scores);
  }
  return swarm;
}

SwarmDirections directions_of(const Columns& columns,
                              const std::vector<std::string>& higher = {},
                              const std::vector<std::string>& lower = {}) {
  return swarm_directions(swarm_of(columns), higher, lower);
}

const std::vector<bool> kNone = {false, false}, kBoth = {true, true};

TEST(SwarmDirections, MetricsWithoutADirectionAreLossesWhereTheirValuesAre) {
  const auto found = directions_of({{"hellaswag:rc::olmes", {0.9, 1.1, 1.2}},
                                    {"lambada", {0.5, 0.8, 0.7}},
                                    {"arc_acc", {0.3, 0.4, 0.5}}});
  EXPECT_EQ(found.higher_is_better, (std::vector<bool>{false, false, true}));
  EXPECT_EQ(found.by_values, (std::vector<bool>{true, true, false}));
  ASSERT_EQ(found.warnings.size(), 1u);
  EXPECT_EQ(found.warnings[0],
            "Nothing in the name says which direction is better of hellaswag:rc::olmes, lambada: "
            "LOWER was taken as better of all 2, since their values lie between 0.5 and 1.2, with "
            "a typical median of 1.1, as those of losses and bits per byte do; accuracies lie "
            "between 0 and 1. If that is wrong, --higher-is-better NAME,… (higher_is_better in the "
            "configuration) says so.");
}

TEST(SwarmDirections, TheyAreAccuraciesWhereTheirValuesAre) {
  const auto found = directions_of({{"mmlu", {0.2, 0.3}}, {"arc", {0, 1}}});
  EXPECT_EQ(found.higher_is_better, kBoth);
  ASSERT_EQ(found.warnings.size(), 1u);
  EXPECT_NE(found.warnings[0].find(
                "HIGHER was taken as better of all 2, since their values lie between 0 and 1, as "
                "those of accuracies do. If that is wrong, --lower-is-better all (lower_is_better"),
            std::string::npos)
      << found.warnings[0];
  EXPECT_EQ(directions_of({{"mmlu", {25, 31}}, {"gsm8k", {1, 60}}}).higher_is_better, kBoth);
  EXPECT_EQ(directions_of({{"mmlu", {2.5, 3}}, {"gsm8k", {1, 2, 60}}}).higher_is_better, kNone);
  EXPECT_EQ(directions_of({{"mmlu", {250, 31}}, {"gsm8k", {40, 60}}}).higher_is_better, kNone);
  EXPECT_EQ(directions_of({{"mmlu", {-2.5, -3}}, {"arc", {2, 3}}}).higher_is_better, kBoth);
}

TEST(SwarmDirections, ColumnsThatNeverChangeTellNothingOfTheOthers) {
  EXPECT_EQ(directions_of({{"mmlu", {0.2, 0.3}}, {"layers", {24, 24}}}).higher_is_better, kBoth);
}

TEST(SwarmDirections, NegatedLossesAreScores) {
  for (const char* name :
       {"neg_loss", "minus_bpb", "negative_loss", "log_loss_neg", "eval/negCE"}) {
    const auto found = directions_of({{name, {-3, -2}}});
    EXPECT_TRUE(found.higher_is_better[0]) << name;
    EXPECT_FALSE(found.by_values[0]) << name;
    EXPECT_EQ(found.warnings.size(), 1u) << name;
  }
  for (const char* name : {"negative_log_likelihood", "neg-loglik", "a_minus_b_loss", "glossneg"})
    EXPECT_FALSE(directions_of({{name, {3, 2}}}).higher_is_better[0]) << name;
  EXPECT_TRUE(directions_of({{"negative_acc", {0.3, 0.2}}}).warnings.empty());
  const auto below_zero = directions_of({{"val_loss", {-3, -2}}, {"loss", {-1, 2}}});
  EXPECT_EQ(below_zero.higher_is_better, (std::vector<bool>{true, false}));
  ASSERT_EQ(below_zero.warnings.size(), 1u);
  EXPECT_EQ(
      below_zero.warnings[0],
      "By the name a loss, but one that is negated, all below zero: HIGHER was taken as "
      "better of val_loss. If that is wrong, --lower-is-better NAME,… (lower_is_better in the "
      "configuration) says so.");
}

TEST(SwarmDirections, WhatTheUserSaysGoesFirstNamesBeforePatternsBeforeAll) {
  const Columns columns = {{"a:rc", {1, 2}}, {"b:rc", {1, 2}}, {"c_acc", {0, 1}}, {"c", {1, 2}}};
  const auto found = directions_of(columns, {"b:rc", "c"}, {"all"});
  EXPECT_EQ(found.higher_is_better, (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(found.told, (std::vector<bool>{true, true, true, true}));
  EXPECT_TRUE(found.warnings.empty());
  const auto patterns = directions_of(columns, {"b*"}, {"*:rc", "b:rc", "?"});
  EXPECT_EQ(patterns.higher_is_better, (std::vector<bool>{false, false, true, false}));
  EXPECT_EQ(patterns.told, (std::vector<bool>{true, true, false, true}));
  const auto message = [&](const std::vector<std::string>& higher,
                           const std::vector<std::string>& lower) -> std::string {
    try {
      directions_of(columns, higher, lower);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message({"all"}, {"all"}), "metric 'a:rc' is named both higher and lower is better");
  EXPECT_EQ(message({"b*"}, {"*:rc"}), "metric 'b:rc' is named both higher and lower is better");
  EXPECT_EQ(message({"d*"}, {}), "higher_is_better: no metric matches 'd*', such as 'a:rc'");
  EXPECT_EQ(message({}, {"a:rd"}),
            "lower_is_better: there is no metric 'a:rd'; did you mean 'a:rc'?");
}

}  // namespace
}  // namespace demix
