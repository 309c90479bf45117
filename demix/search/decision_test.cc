#include "demix/search/decision.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

TEST(AverageOfBest, IsTheMeanOfTheBestCandidatesAndKeepsTheWorstOfTheirValues) {
  const FeasibleSet feasible(Composition::anchored({"web", "code"}, "", 0), {});
  Points candidates(2);
  for (const double web : {0.9, 0.2, 0.4}) candidates.add(std::vector<double>{web, 1 - web});
  SearchConfig config;
  config.average_of = 2;
  config.climbs = 1;
  const std::vector<double> values = {0.1, 0.8, 0.6};
  const std::vector<size_t> ranking = {1, 2, 0};
  const Decision decision = average_of_best(config, feasible, candidates, values, ranking);
  EXPECT_NEAR(decision.merge_weights[0], 0.3, 1e-15);
  EXPECT_EQ(decision.worst_averaged, 0.6);
  EXPECT_EQ(decision.words, "the average of the best 2 of 3 random mixtures");
  ASSERT_EQ(decision.starts.rows(), 1u);
  EXPECT_EQ(decision.starts.row(0)[0], 0.2);
}

}  // namespace
}  // namespace demix
