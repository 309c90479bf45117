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

TEST(Findings, AnAverageThatBreaksAFloorIsWarnedOf) {
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
        return text.find("predicted to miss the floor of spread by 0.") != std::string::npos;
      });
  ASSERT_NE(warning, found.warnings.end());
  EXPECT_NE(warning->find("search.decide: optimum keeps floors."), std::string::npos);
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
