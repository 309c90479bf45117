#include "demix/search/findings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace demix {
namespace {

SearchProblem problem(std::vector<Metric> metrics) {
  return {.composition = Composition::anchored({"web", "math", "code", "poor"}, "web", 0),
          .metrics = std::move(metrics),
          .prior = {1, 1, 1, 1},
          .dataset_tokens = {},
          .seed = 7};
}

SearchConfig one_round() {
  SearchConfig config;
  config.rounds = 1;
  config.proxies = 40;
  config.candidates = 2000;
  config.decide = "average";
  config.average_of = 200;
  config.objective = "deviation";
  config.predictor = "ridge";
  config.front = 0;
  return config;
}

TEST(Findings, AnAverageThatBreaksAFloorIsMovedAndHasATolerance) {
  // Both corners of math and code are good and keep the floor, what lies between breaks it.
  const auto measure = [](std::span<const Mixture> batch) {
    std::vector<Measurements> results;
    for (const Mixture& mixture : batch) {
      const auto& p = mixture.weights;
      results.push_back({{"sum", {p[1] + p[2], 0}}, {"spread", {1 + std::pow(p[1] - p[2], 2), 0}}});
    }
    return results;
  };
  SearchConfig config = one_round();
  config.predictor = "gaussian_process";
  config.weights = {{"together", 1}};
  config.floors = {{"spread", 0}};
  config.current = {{"web", 0.2}, {"math", 0.6}, {"code", 0.1}, {"poor", 0.1}};
  const auto found = search_mixture(
      config, problem({{"sum", "together", true}, {"spread", "apart", true}}), measure);
  const auto warning =
      std::find_if(found.warnings.begin(), found.warnings.end(), [](const std::string& text) {
        return text.find("predicted to miss the floor of spread (") != std::string::npos;
      });
  ASSERT_NE(warning, found.warnings.end());
  EXPECT_NE(warning->find("where the floors hold."), std::string::npos);
  EXPECT_EQ(found.tolerance.size(), 4u);
}

TEST(Findings, WithoutAReasonToLeaveItTheMixtureOfTodayIsHandedOver) {
  const auto constant = [](std::span<const Mixture> batch) {
    return std::vector<Measurements>(batch.size(), Measurements{{"a", {0.25, 0.01}}});
  };
  const std::vector<double> today = {0.2, 0.6, 0.1, 0.1};
  for (const char* decide : {"optimum", "average"}) {
    for (const char* objective : {"rank", "deviation"}) {
      SearchConfig config = one_round();
      config.decide = decide;
      config.objective = objective;
      const auto by_counts = search_mixture(config, problem({{"a", "first", true}}), constant);
      for (const double weight : by_counts.merge_weights) EXPECT_NEAR(weight, 0.25, 1e-9);
      EXPECT_EQ(by_counts.decision,
                "merge weights by token counts, as no mixture is predicted better than another");
      config.current = {{"web", 0.2}, {"math", 0.6}, {"code", 0.1}, {"poor", 0.1}};
      const auto found = search_mixture(config, problem({{"a", "first", true}}), constant);
      for (size_t k = 0; k < today.size(); ++k) EXPECT_NEAR(found.merge_weights[k], today[k], 1e-9);
      EXPECT_NE(std::find(found.warnings.begin(),
                          found.warnings.end(),
                          "As far as the proxies show, the goal does not depend on the mixture: "
                          "what is handed over is search.current, for want of a reason to leave "
                          "it."),
                found.warnings.end());
    }
  }
}

TEST(Findings, ACopyOfADomainAddsNoCertainty) {
  const auto measure = [](std::span<const Mixture> batch) {
    std::vector<Measurements> results;
    for (const Mixture& mixture : batch) {
      const auto& p = mixture.weights;
      const double score = p[1] - p[3] * p[3] + 0.1 * std::sin(1000 * p[2]);
      results.push_back({{"a", {score, 0}}, {"b", {score, 0}}});
    }
    return results;
  };
  const auto one = search_mixture(one_round(), problem({{"a", "first", true}}), measure);
  const auto two =
      search_mixture(one_round(), problem({{"a", "first", true}, {"b", "second", true}}), measure);
  EXPECT_GT(one.goal_error, 0);
  EXPECT_NEAR(two.goal_error, one.goal_error, 1e-6 * one.goal_error);
}

}  // namespace
}  // namespace demix
