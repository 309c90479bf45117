#include "demix/core/mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/rng.h"
#include "tests/message_of.h"

namespace demix {
namespace {

TEST(Mixture, CheckedWeightsAreRescaledToSumToOneExactly) {
  const Mixture m = checked_mixture({"a", "b", "c"}, {0.3, 0.3, 0.4003}, "baselines.mine");
  EXPECT_NEAR(std::accumulate(m.weights.begin(), m.weights.end(), 0.0), 1, 1e-15);
  EXPECT_NEAR(m.at("c"), 0.4003 / 1.0003, 1e-15);
}

TEST(Mixture, WhatIsNotAMixtureIsRefusedByPlaceAndName) {
  const auto refusal = [](std::vector<std::string> names, std::vector<double> weights) {
    return message_of([&] { checked_mixture(names, weights, "baselines.mine"); });
  };
  EXPECT_EQ(
      refusal({"a", "b"}, {0.5, 0.4}),
      "baselines.mine: weights sum to 0.9, expected 1 (within 0.001); divide each by the sum");
  EXPECT_EQ(refusal({"a", "b"}, {1.5, -0.5}),
            "baselines.mine: the weight of 'b' is -0.5; expected a number from 0 to 1");
  EXPECT_NE(refusal({"a", "b"}, {std::nan(""), 1}).find("'a' is nan"), std::string::npos);
  EXPECT_NE(refusal({"a"}, {std::numeric_limits<double>::infinity()}).find("inf"),
            std::string::npos);
  EXPECT_EQ(refusal({"a", "a"}, {0.5, 0.5}), "baselines.mine: 'a' is named twice");
  EXPECT_EQ(refusal({"a"}, {0.5, 0.5}), "baselines.mine: 2 weights for 1 names");
  EXPECT_EQ(refusal({}, {}), "baselines.mine: a mixture of nothing");
}

TEST(Mixture, AnUnknownNameIsAnErrorThatSuggestsTheNearest) {
  const Mixture m{{"code_low", "math_high"}, {0.5, 0.5}};
  EXPECT_EQ(message_of([&] { (void)m.at("math_hihg"); }),
            "there is no dataset or component 'math_hihg'; did you mean 'math_high'?");
}

TEST(Composition, WithHalfAnAnchorDataSharesAreHalfTheMergeWeightsPlusTheAnchor) {
  const auto c = Composition::anchored({"general", "math", "code"}, "general", 0.5);
  const auto p = c.data_shares(std::vector<double>{0.2, 0.5, 0.3});
  EXPECT_NEAR(p[0], 0.2 + 0.5 * 0.8, 1e-15);
  EXPECT_NEAR(p[1], 0.25, 1e-15);
  EXPECT_NEAR(p[2], 0.15, 1e-15);
  EXPECT_EQ(c.at(0, 0), 1);  // the anchor's own component is all anchor
}

TEST(Composition, WithoutAnchorDataSharesAreMergeWeights) {
  const auto c = Composition::anchored({"a", "b"}, "", 0);
  EXPECT_EQ(c.data_shares(std::vector<double>{0.25, 0.75}), (std::vector<double>{0.25, 0.75}));
}

TEST(Composition, RowsThatAreNoMixturesAreRefused) {
  EXPECT_EQ(
      message_of([] { Composition({"x"}, {"a", "b"}, {{0.7, 0.7}}); }),
      "composition of component 'x': weights sum to 1.4, expected 1 (within 0.001); divide each "
      "by the sum");
  EXPECT_EQ(message_of([] { Composition({"x"}, {"a", "b"}, {{1}}); }),
            "composition of component 'x': 1 shares for 2 datasets");
  EXPECT_EQ(message_of([] { Composition::anchored({"general"}, "generl", 0.5); }),
            "there is no anchor dataset 'generl'; did you mean 'general'?");
  EXPECT_EQ(message_of([] { Composition::anchored({"a"}, "a", 1); }),
            "the anchor's share is 1, expected at least 0 and below 1");
}

TEST(Projection, AReachableMixtureIsReachedExactly) {
  const auto c = Composition::anchored({"general", "math", "code"}, "general", 0.5);
  const std::vector<double> alpha = {0.2, 0.5, 0.3};
  const Projection found = c.project(c.data_shares(alpha));
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(found.merge_weights[i], alpha[i], 1e-9);
  EXPECT_NEAR(found.l2_distance, 0, 1e-10);
}

TEST(Projection, TooLittleAnchorProjectsOntoTheFaceWithoutItsComponent) {
  // p = (0.2, 0.4, 0.4): the anchor's share cannot fall below 0.5, so the nearest p is
  // (0.5, 0.25, 0.25) with merge weights (0, 0.5, 0.5), by symmetry.
  const auto c = Composition::anchored({"general", "math", "code"}, "general", 0.5);
  const Projection found = c.project(std::vector<double>{0.2, 0.4, 0.4});
  EXPECT_NEAR(found.merge_weights[0], 0, 1e-10);
  EXPECT_NEAR(found.merge_weights[1], 0.5, 1e-10);
  EXPECT_NEAR(found.merge_weights[2], 0.5, 1e-10);
  EXPECT_NEAR(found.data_shares[0], 0.5, 1e-10);
  EXPECT_NEAR(found.l2_distance, std::sqrt(0.09 + 2 * 0.0225), 1e-10);
  EXPECT_NEAR(found.total_variation, 0.3, 1e-10);
}

TEST(Projection, WithoutAnchorEveryMixtureIsItsOwnProjection) {
  const auto c = Composition::anchored({"a", "b", "c", "d"}, "", 0);
  const std::vector<double> p = {0.1, 0.2, 0.3, 0.4};
  const Projection found = c.project(p);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(found.merge_weights[i], p[i], 1e-10);
}

TEST(Projection, RepeatedComponentsAreNoObstacle) {
  const Composition c({"x", "y", "z"}, {"a", "b"}, {{1, 0}, {1, 0}, {0, 1}});
  const Projection found = c.project(std::vector<double>{0.6, 0.4});
  EXPECT_NEAR(found.merge_weights[0] + found.merge_weights[1], 0.6, 1e-10);
  EXPECT_NEAR(found.l2_distance, 0, 1e-10);
}

TEST(Projection, RandomCompositionsMeetTheOptimalityConditions) {
  const Rng root(11);
  for (int trial = 0; trial < 20; ++trial) {
    Rng rng = root.stream("composition", trial);
    const std::vector<double> flat(5, 0.6);
    std::vector<std::vector<double>> rows;
    for (int i = 0; i < 4; ++i) rows.push_back(rng.dirichlet(flat));
    const Composition c({"w", "x", "y", "z"}, {"a", "b", "c", "d", "e"}, rows);
    const auto wanted = rng.dirichlet(flat);
    const Projection found = c.project(wanted);

    // Optimality on the simplex: the gradient is smallest, and equal, on the components in use.
    std::vector<double> slope(4);
    for (size_t i = 0; i < 4; ++i) {
      for (size_t j = 0; j < 5; ++j) slope[i] += c.at(i, j) * (found.data_shares[j] - wanted[j]);
    }
    const double least = *std::min_element(slope.begin(), slope.end());
    for (size_t i = 0; i < 4; ++i) {
      if (found.merge_weights[i] > 1e-9) {
        EXPECT_NEAR(slope[i], least, 1e-10) << trial;
      }
    }
    EXPECT_NEAR(
        std::accumulate(found.merge_weights.begin(), found.merge_weights.end(), 0.0), 1, 1e-14);
  }
}

TEST(Projection, WhatIsNoMixtureIsRefused) {
  const auto c = Composition::anchored({"a", "b"}, "a", 0.5);
  EXPECT_THROW(c.project(std::vector<double>{0.5, 0.6}), Error);
  EXPECT_THROW(c.project(std::vector<double>{1}), Error);
}

}  // namespace
}  // namespace demix
