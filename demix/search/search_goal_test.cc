#include "demix/search/search_goal.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/ranks.h"
#include "demix/core/rng.h"

namespace demix {
namespace {

const std::vector<std::string> kNames = {"web", "math", "code"};

// Its prediction is the share of one dataset, times a factor.
class Share : public Predictor {
 public:
  Share(size_t column, double factor) : column_(column), factor_(factor) {}
  using Predictor::predict;
  void fit(const Points&, std::span<const double>, std::span<const double>) override {}
  void predict(const Points& mixtures, std::span<double> predicted) const override {
    for (size_t i = 0; i < predicted.size(); ++i) predicted[i] = factor_ * mixtures.row(i)[column_];
  }
  std::vector<Forecast> forecast(const Points&) const override { return {}; }
  double slope(std::span<const double>, std::span<double>) const override { return 0; }

 private:
  size_t column_;
  double factor_;
};

Points random_points(size_t rows) {
  Rng rng(1);
  Points points(kNames.size());
  for (size_t i = 0; i < rows; ++i)
    points.add(rng.dirichlet(std::vector<double>(kNames.size(), 1)));
  return points;
}

std::vector<GoalTerm> terms_of(std::span<const Learned> domains, const Points& candidates) {
  SearchConfig config;
  config.objective = "deviation";
  const Objective objective({{"a", "math", true}, {"b", "code", true}});
  const SearchGoal goal(
      config, objective, Composition::anchored(kNames, "web", 0), std::vector<double>(3, 1));
  std::vector<std::vector<double>> candidate_scores;
  for (const Learned& domain : domains)
    candidate_scores.push_back(domain.predictor->predict(candidates));
  return goal.terms(domains, {}, candidate_scores);
}

TEST(SearchGoal, DeviationsAreThoseOfRandomMixturesWhicheverProxiesWereMeasured) {
  const Points candidates = random_points(4000);
  const Share math(1, 1), code(2, 10);
  // Later rounds had nothing but mixtures with much mathematics.
  Points proxies(3);
  for (int i = 0; i < 20; ++i) proxies.add(std::vector<double>{0.1 - 0.005 * i, 0.9, 0.005 * i});
  proxies.add(std::vector<double>{0.1, 0.89, 0.01});
  const std::vector<Learned> domains = {{&math, math.predict(proxies), math.predict(proxies)},
                                        {&code, code.predict(proxies), code.predict(proxies)}};
  const auto terms = terms_of(domains, candidates);
  const double deviation = standard_deviation(math.predict(candidates));
  EXPECT_NEAR(terms[0].weight, 0.5 / deviation, 1e-9);
  EXPECT_NEAR(terms[0].weight / terms[1].weight, 10, 0.3);  // shares of either vary alike
}

TEST(SearchGoal, NoiseThatNothingPredictsIsNotMagnifiedIntoAGoal) {
  const Points candidates = random_points(4000), proxies = random_points(45);
  const Share math(1, 1), faint(2, 1e-3);
  Rng rng(2);
  std::vector<double> noise;
  for (size_t i = 0; i < proxies.rows(); ++i) noise.push_back(rng.normal());
  const std::vector<Learned> domains = {{&math, math.predict(proxies), math.predict(proxies)},
                                        {&faint, noise, faint.predict(proxies)}};
  const auto terms = terms_of(domains, candidates);
  EXPECT_NEAR(terms[1].weight, 0.5, 0.15);  // the noise has deviation 1
  // All of what can be predicted of the noise counts next to nothing.
  EXPECT_LT(terms[1].weight * standard_deviation(faint.predict(candidates)), 1e-3);
}

TEST(SearchGoal, ScoresThatAreAllEqualHaveNoWeight) {
  const Points candidates = random_points(100), proxies = random_points(5);
  const Share math(1, 1), nothing(2, 0);
  const std::vector<Learned> domains = {
      {&math, math.predict(proxies), math.predict(proxies)},
      {&nothing, std::vector<double>(5, 0), std::vector<double>(5, 0)}};
  EXPECT_EQ(terms_of(domains, candidates)[1].weight, 0);
}

}  // namespace
}  // namespace demix
