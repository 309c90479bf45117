#include "demix/search/swarm_outliers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/error.h"
#include "demix/core/rng.h"

namespace demix {
namespace {

Swarm swarm_of(std::vector<std::vector<double>> scores) {
  Swarm swarm;
  for (size_t m = 0; m < scores.size(); ++m) swarm.metrics.push_back(fmt::format("s{}", m));
  for (size_t i = 0; i < scores[0].size(); ++i) swarm.runs.push_back(fmt::format("run{}", i));
  swarm.scores = std::move(scores);
  return swarm;
}

std::vector<double> losses(uint64_t seed) {
  Rng rng(seed);
  std::vector<double> scores;
  for (int i = 0; i < 40; ++i) scores.push_back(5.5 + 0.3 * rng.normal());
  return scores;
}

TEST(SwarmOutliers, ARunThatDivergedIsNamedWithItsFarthestScoreAndThoseOfTheOthers) {
  auto first = losses(1), second = losses(2);
  first[7] = 50;
  second[7] = 70.25;
  first[0] = 5;
  second[0] = second[1] = 5;
  second[2] = 6;
  for (size_t i = 3; i < 40; ++i)
    if (i != 7) second[i] = std::min(std::max(second[i], 5.0), 6.0);
  const auto warnings = outlier_warnings(swarm_of({first, second, losses(3)}), "s.csv");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0],
            "s.csv: run 'run7' stands far from the others: its s1 is 70.25, where theirs lie "
            "between 5 and 6; 2 of its 3 scores do. If it diverged, delete its row; it was kept.");
}

TEST(SwarmOutliers, ScoresInStepsAndWideTailsAreNoOutliers) {
  std::vector<double> steps(40, 0.25), tail, perplexities;
  steps[3] = 0.27;
  steps[4] = 0.23;
  steps[5] = 0.31;
  Rng rng(1);
  for (int i = 0; i < 40; ++i) {
    tail.push_back(i < 36 ? 0.01 * i : 5.0 + i);
    perplexities.push_back(std::exp(6 + 0.8 * rng.normal()));
  }
  EXPECT_TRUE(outlier_warnings(swarm_of({steps, tail, perplexities, losses(1)}), "s.csv").empty());
}

TEST(SwarmOutliers, OfManyRunsTheFirstAreNamed) {
  std::vector<double> scores;
  Rng rng(1);
  for (int i = 0; i < 200; ++i) scores.push_back(i % 25 == 0 ? 1000 : 5.5 + 0.3 * rng.normal());
  const auto warnings = outlier_warnings(swarm_of({scores}), "s.csv");
  ASSERT_EQ(warnings.size(), 6u);
  EXPECT_EQ(warnings[5], "s.csv: 3 more runs stand as far from the others.");
}

TEST(SwarmOutliers, FewRunsTellNothing) {
  EXPECT_TRUE(outlier_warnings(swarm_of({{1, 1.1, 0.9, 1.2, 0.8, 90}}), "s.csv").empty());
}

}  // namespace
}  // namespace demix
