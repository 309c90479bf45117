#include "demix/search/objective.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "demix/core/error.h"

namespace demix {
namespace {

Objective two_domains() {
  return Objective(
      {{"arc", "general", true}, {"piqa", "general", true}, {"gsm8k_loss", "math", false}});
}

TEST(Objective, ADomainIsTheMeanOfItsMetricsOrientedUpwards) {
  const Objective objective = two_domains();
  EXPECT_EQ(objective.domains(), (std::vector<std::string>{"general", "math"}));
  const Measurements scores = {
      {"arc", {0.4, 0.03}}, {"piqa", {0.6, 0.04}}, {"gsm8k_loss", {1.5, 0.1}}, {"unused", {9, 9}}};
  const auto domains = objective.domain_scores(objective.oriented(scores, "proxy 1"));
  EXPECT_NEAR(domains[0], 0.5, 1e-15);
  EXPECT_NEAR(domains[1], -1.5, 1e-15);
  const auto errors = objective.domain_errors(scores);
  EXPECT_NEAR(errors[0], 0.025, 1e-15);  // sqrt(.03² + .04²) / 2
  EXPECT_NEAR(errors[1], 0.1, 1e-15);
}

TEST(Objective, WhatWasNotMeasuredIsAnErrorAndNotZero) {
  const Objective objective = two_domains();
  const auto message = [&](const Measurements& scores) -> std::string {
    try {
      objective.oriented(scores, "proxy 3 of round 2");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message({{"arc", {0.4, 0}}, {"gsm8k_loss", {1, 0}}}),
            "proxy 3 of round 2: no score for metric 'piqa'");
  EXPECT_EQ(message({{"arc", {0.4, 0}}, {"piqa", {std::nan(""), 0}}, {"gsm8k_loss", {1, 0}}}),
            "proxy 3 of round 2: the score of metric 'piqa' is nan");
}

TEST(Objective, MetricsMustBeDistinctAndThereMustBeOne) {
  EXPECT_THROW(Objective({}), Error);
  EXPECT_THROW(Objective({{"a", "x", true}, {"a", "y", true}}), Error);
}

TEST(Objective, PercentileRanksGiveTheBestOneAndTiesTheirMean) {
  EXPECT_EQ(percentile_ranks(std::vector<double>{0.2, 0.9, 0.5, 0.5}),
            (std::vector<double>{0.25, 1, 0.625, 0.625}));
}

TEST(Objective, DomainsCountEquallyWhateverTheirScale) {
  // Pandas' rank(pct=True) averaged: candidate 0 is (1/3 + 3/3) / 2, and so on.
  const std::vector<std::vector<double>> scores = {{0.1, 0.2, 0.3}, {5000, 1000, 3000}};
  const auto objective = mean_percentile_rank(scores);
  EXPECT_NEAR(objective[0], (1.0 / 3 + 1) / 2, 1e-15);
  EXPECT_NEAR(objective[1], (2.0 / 3 + 1.0 / 3) / 2, 1e-15);
  EXPECT_NEAR(objective[2], (1 + 2.0 / 3) / 2, 1e-15);
}

}  // namespace
}  // namespace demix
