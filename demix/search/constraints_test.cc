#include "demix/search/constraints.h"

#include <gtest/gtest.h>

#include <limits>

#include "demix/core/error.h"
#include "demix/core/minimise.h"
#include "tests/message_of.h"

namespace demix {
namespace {

const std::vector<double> kUniform3 = {1.0 / 3, 1.0 / 3, 1.0 / 3};

Composition three_plain() { return Composition::anchored({"a", "b", "c"}, "", 0); }
Composition three_anchored() { return Composition::anchored({"a", "b", "c"}, "a", 0.5); }

FeasibleSet feasible(const Composition& composition, const ConstraintConfig& config) {
  return FeasibleSet(composition, share_constraints(config, composition, kUniform3, {}, 0));
}

TEST(Constraints, BoundsActOnDataSharesNotOnMergeWeights) {
  ConstraintConfig config{.max_times_prior = 0};
  config.max_share["b"] = 0.2;
  const FeasibleSet set = feasible(three_anchored(), config);
  // p_b = α_b / 2.
  EXPECT_TRUE(set.contains(std::vector<double>{0.6, 0.4, 0}));
  EXPECT_FALSE(set.contains(std::vector<double>{0.58, 0.42, 0}));
  EXPECT_NEAR(set.violation(std::vector<double>{0.5, 0.5, 0}), 0.05, 1e-15);
}

TEST(Constraints, ACapRelativeToThePriorIsTheSameOnWeightsAndSharesOutsideTheAnchor) {
  // Twice the prior (1/3): α_b <= 2/3, though p_b <= 1/3.
  const FeasibleSet set = feasible(three_anchored(), {.max_times_prior = 2});
  EXPECT_TRUE(set.contains(std::vector<double>{1.0 / 3, 2.0 / 3, 0}));
  EXPECT_FALSE(set.contains(std::vector<double>{0.3, 0.7, 0}));
  // The anchor is in every component, so its cap is twice 2/3 and never binds.
  EXPECT_TRUE(set.contains(std::vector<double>{1, 0, 0}));
}

TEST(Constraints, EpochsCapTheShareOfASmallDataset) {
  const auto composition = three_plain();
  const ConstraintConfig config{.max_times_prior = 0, .max_epochs = 4};
  const std::vector<int64_t> tokens = {100, 10, 1000};
  const FeasibleSet set(composition,
                        share_constraints(config, composition, kUniform3, tokens, 400));
  // 4 epochs of 10 tokens in a budget of 400: at most a tenth.
  EXPECT_TRUE(set.contains(std::vector<double>{0.5, 0.1, 0.4}));
  EXPECT_FALSE(set.contains(std::vector<double>{0.5, 0.11, 0.39}));
  EXPECT_TRUE(set.contains(std::vector<double>{1, 0, 0}));
}

TEST(Constraints, ABoundNoComponentCanMeetIsExplainedAlone) {
  ConstraintConfig config{.max_times_prior = 0};
  config.max_share["a"] = 0.3;
  EXPECT_EQ(
      message_of([&] { feasible(three_anchored(), config); }),
      "a at most 0.3 (max_share): cannot hold, it misses by 0.2; mixtures of these components "
      "can reach from 0.5 to 1");
}

TEST(Constraints, ConflictingBoundsAreNamedWithTheirShortfall) {
  ConstraintConfig config{.max_times_prior = 0};
  config.min_share = {{"a", 0.6}, {"b", 0.5}};
  config.max_share["c"] = 0.9;  // has no part in it
  EXPECT_EQ(
      message_of([&] { feasible(three_plain(), config); }),
      "these constraints cannot hold together with shares that sum to one: if the others hold, "
      "one of them misses by at least 0.1; relax one of them:\n"
      "  a at least 0.6 (min_share)\n"
      "  b at least 0.5 (min_share)");
}

TEST(Constraints, CapsThatLeaveNoRoomAreAllNamed) {
  ConstraintConfig config{.max_times_prior = 0};
  config.max_share = {{"a", 0.3}, {"b", 0.3}, {"c", 0.3}};
  const std::string message = message_of([&] { feasible(three_plain(), config); });
  EXPECT_NE(message.find("misses by at least 0.1;"), std::string::npos) << message;
  for (const char* name : {"a at most", "b at most", "c at most"}) {
    EXPECT_NE(message.find(name), std::string::npos) << message;
  }
}

TEST(Constraints, BadSettingsAreRefusedByKey) {
  const auto composition = three_plain();
  const auto refusal = [&](const ConstraintConfig& config) {
    return message_of([&] { share_constraints(config, composition, kUniform3, {}, 0); });
  };
  EXPECT_EQ(refusal({.min_share = {{"d", 0.1}}}),
            "min_share: there is no dataset 'd'; did you mean 'a'?");
  EXPECT_EQ(refusal({.max_share = {{"a", 1.1}}}),
            "max_share.a is 1.1, expected a share from 0 to 1");
  EXPECT_NE(refusal({.max_times_prior = 0.5}).find("max_times_prior is 0.5"), std::string::npos);
  EXPECT_NE(refusal({.max_epochs = 2}).find("max_epochs needs the tokens"), std::string::npos);
  EXPECT_EQ(message_of([&] {
              share_constraints(
                  {.max_epochs = 2}, composition, kUniform3, std::vector<int64_t>(3, 1), 0);
            }),
            "max_epochs needs target_tokens, the budget of the real training; it is 0, expected "
            "above 0");
}

TEST(FeasibleSet, GroupBoundsAreLinearConstraintsLikeAnyOther) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const FeasibleSet set(three_plain(), {{"b and c at least half", {0, 1, 1}, 0.5, kInfinity}});
  EXPECT_TRUE(set.contains(std::vector<double>{0.5, 0, 0.5}));
  EXPECT_FALSE(set.contains(std::vector<double>{0.6, 0.2, 0.2}));
  const auto nearest = set.project(std::vector<double>{1, 0, 0});
  ASSERT_TRUE(nearest);
  EXPECT_NEAR((*nearest)[0], 0.5, 1e-12);
  EXPECT_NEAR((*nearest)[1], 0.25, 1e-12);
}

TEST(FeasibleSet, AFixedShareIsABoundFromBothSides) {
  const FeasibleSet set(three_plain(), {{"a is 0.2", {1, 0, 0}, 0.2, 0.2}});
  const auto nearest = set.project(std::vector<double>{0.6, 0.4, 0});
  ASSERT_TRUE(nearest);
  EXPECT_NEAR((*nearest)[0], 0.2, 1e-12);
  EXPECT_NEAR((*nearest)[1], 0.6, 1e-12);
}

TEST(FeasibleSet, FixedSharesOfAllDatasetsLeaveOneMember) {
  ConstraintConfig config{.max_times_prior = 0};
  config.fixed_share = {{"a", 0.1}, {"b", 0.2}, {"c", 0.7}};
  const FeasibleSet set = feasible(three_plain(), config);
  const auto nearest = set.project(std::vector<double>{1, 0, 0});
  ASSERT_TRUE(nearest);
  EXPECT_NEAR((*nearest)[1], 0.2, 1e-12);
  // The sum and two of the three.
  EXPECT_EQ(without_dependent_equalities(set.constraints()).size(), set.constraints().size());
  config.fixed_share["c"] = 0.6;
  EXPECT_NE(message_of([&] { feasible(three_plain(), config); }).find("cannot hold together"),
            std::string::npos);
}

TEST(FeasibleSet, ProjectionCanKeepWeightsAtZero) {
  ConstraintConfig config{.max_times_prior = 0};
  config.max_share["a"] = 0.5;
  const FeasibleSet set = feasible(three_plain(), config);
  const auto nearest = set.project(std::vector<double>{1, 0, 0}, {false, true, false});
  ASSERT_TRUE(nearest);
  EXPECT_NEAR((*nearest)[1], 0, 1e-15);
  EXPECT_NEAR((*nearest)[2], 0.5, 1e-12);
  EXPECT_FALSE(set.project(std::vector<double>{1, 0, 0}, {false, true, true}));
}

TEST(FeasibleSet, PullingInsideKeepsWhatIsInsideAndStopsAtTheBorder) {
  ConstraintConfig config{.max_times_prior = 0};
  config.max_share["a"] = 0.5;
  const FeasibleSet set = feasible(three_plain(), config);
  const std::vector<double> inside = {0.4, 0.5, 0.1};
  const auto kept = set.pull_inside(inside);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(kept[i], inside[i], 1e-15);
  // The members closest to the corners are (.5 .25 .25), (0 1 0), (0 0 1); their mean has a = 1/6,
  // and on the way to it from a = 0.9 the cap is met.
  const auto pulled = set.pull_inside(std::vector<double>{0.9, 0.1, 0});
  EXPECT_NEAR(pulled[0], 0.5, 1e-12);
  const double step = (0.5 - 1.0 / 6) / (0.9 - 1.0 / 6);
  EXPECT_NEAR(pulled[1], 1.25 / 3 + step * (0.1 - 1.25 / 3), 1e-12);
}

TEST(FeasibleSet, PullingInsideKeepsFixedShares) {
  const FeasibleSet set(three_plain(), {{"a is 0.2", {1, 0, 0}, 0.2, 0.2}});
  const auto pulled = set.pull_inside(std::vector<double>{0.6, 0.4, 0});
  EXPECT_NEAR(pulled[0], 0.2, 1e-12);
  EXPECT_TRUE(set.contains(pulled));
  const auto other = set.pull_inside(std::vector<double>{0.6, 0.3, 0.1});
  EXPECT_GT(l1_distance(pulled, other), 0.05);
}

TEST(FeasibleSet, GroupsAreBoundedTogetherAndKeepTheirRatio) {
  const std::vector<std::string> names = {"web", "books", "code", "math"};
  const Composition plain = Composition::anchored(names, "web", 0);
  ConstraintConfig config{.max_times_prior = 0};
  config.fixed_share = {{"math", 0.1}};
  config.groups["text"] = {.datasets = {"web", "books"}, .max_share = 0.6, .ratio = {3, 1}};
  const FeasibleSet set(plain, share_constraints(config, plain, std::vector<double>(4, 1), {}, 0));
  const auto most = set.project(std::vector<double>{1, 0, 0, 0}).value();
  EXPECT_NEAR(most[0], 0.45, 1e-9);
  EXPECT_NEAR(most[1], 0.15, 1e-9);
  EXPECT_NEAR(most[2], 0.3, 1e-9);
  EXPECT_NEAR(most[3], 0.1, 1e-9);
  EXPECT_FALSE(set.contains(std::vector<double>{0.4, 0.2, 0.3, 0.1}));
}

TEST(FeasibleSet, GroupsThatCannotHoldAreNamedWithTheirSlack) {
  const std::vector<std::string> names = {"web", "books", "code"};
  const Composition plain = Composition::anchored(names, "web", 0);
  const auto message = [&](const ConstraintConfig& config) -> std::string {
    try {
      config.check();
      FeasibleSet(plain, share_constraints(config, plain, std::vector<double>(3, 1), {}, 0));
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  ConstraintConfig config{.max_times_prior = 0};
  config.groups["text"] = {.datasets = {"web", "books"}, .max_share = 0.5};
  config.max_share = {{"code", 0.3}};
  const std::string both = message(config);
  EXPECT_NE(both.find("misses by at least 0.2"), std::string::npos) << both;
  EXPECT_NE(both.find("web + books at most 0.5 (groups.text)"), std::string::npos) << both;
  EXPECT_NE(both.find("code at most 0.3 (max_share)"), std::string::npos) << both;
  config.groups["text"].datasets = {"web", "bokks"};
  EXPECT_EQ(message(config), "groups.text: there is no dataset 'bokks'; did you mean 'books'?");
  config.groups["text"].datasets = {"web", "web"};
  EXPECT_EQ(message(config), "groups.text: dataset 'web' comes twice");
  config.groups["text"] = {.datasets = {"web", "books"}, .ratio = {1}};
  EXPECT_EQ(message(config), "groups.text: ratio has 1 numbers for 2 datasets");
  config.groups["text"] = {.datasets = {"web"}, .min_share = 0.5, .max_share = 0.2};
  EXPECT_NE(message(config).find("groups.text: min_share is 0.5 and max_share is 0.2"),
            std::string::npos);
}

}  // namespace
}  // namespace demix
