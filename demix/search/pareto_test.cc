#include "demix/search/pareto.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/rng.h"

namespace demix {
namespace {

TEST(Pareto, OnlyWhatNothingExceedsIsKept) {
  const std::vector<std::vector<double>> scores = {{1, 2, 3, 2, 0, 3}, {3, 2, 1, 1, 4, 1}};
  EXPECT_EQ(not_dominated(scores), (std::vector<size_t>{0, 1, 2, 4}));
  const std::vector<std::vector<double>> alone = {{1, 5, 5}};
  EXPECT_EQ(not_dominated(alone), (std::vector<size_t>{1}));
}

// Learned from exact scores √p of three datasets.
struct Learned {
  Points mixtures{3};
  std::vector<std::unique_ptr<Predictor>> predictors;
  std::vector<GoalTerm> terms;

  Learned() {
    Rng rng(1);
    for (int i = 0; i < 60; ++i) mixtures.add(rng.dirichlet(std::vector<double>(3, 1.0)));
    for (size_t j = 0; j < 2; ++j) {
      std::vector<double> scores;
      for (size_t i = 0; i < mixtures.rows(); ++i) scores.push_back(std::sqrt(mixtures.row(i)[j]));
      predictors.push_back(make_predictor("gaussian_process"));
      predictors.back()->fit(mixtures, scores);
      terms.push_back({.predictor = predictors.back().get(), .deviation = 0.2});
    }
  }
};

TEST(Pareto, TheFrontOfTwoRootsIsTheEdgeBetweenThem) {
  const Learned learned;
  const std::vector<std::string> names = {"a", "b", "c"};
  const Composition plain = Composition::anchored(names, "a", 0);
  const FeasibleSet feasible(plain, {});
  const auto front = pareto_front(learned.terms, {}, feasible, learned.mixtures, 7);
  ASSERT_GE(front.size(), 4u);
  for (size_t i = 0; i < front.size(); ++i) {
    EXPECT_LT(front[i].merge_weights[2], 0.03);  // c helps neither
    EXPECT_NEAR(front[i].scores[0], std::sqrt(front[i].merge_weights[0]), 0.03);
    if (i > 0) {
      EXPECT_GT(front[i].scores[0], front[i - 1].scores[0]);
      EXPECT_LT(front[i].scores[1], front[i - 1].scores[1]);
    }
  }
  EXPECT_GT(front.back().merge_weights[0], 0.9);
  EXPECT_GT(front.front().merge_weights[1], 0.9);

  auto floored = learned.terms;
  floored[1].floor = std::sqrt(0.4);
  for (const auto& point : pareto_front(floored, {}, feasible, learned.mixtures, 7))
    EXPECT_GE(point.scores[1], std::sqrt(0.4) - 1e-6);
}

}  // namespace
}  // namespace demix
