#include "demix/search/samplers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"

namespace demix {
namespace {

const std::vector<std::string> kNames = {"a", "b", "c", "d", "e"};

FeasibleSet set_of(const ConstraintConfig& constraints = {.max_times_prior = 0}) {
  const Composition plain = Composition::anchored(kNames, "a", 0);
  return FeasibleSet(plain,
                     share_constraints(constraints, plain, std::vector<double>(5, 0.2), {}, 0));
}

Points draw(const std::string& name,
            const FeasibleSet& feasible,
            size_t count,
            const Points* known = nullptr,
            uint64_t seed = 1) {
  const SamplerConfig config;
  const std::vector<double> prior(5, 0.2), centre = {0.5, 0.3, 0.2, 0, 0};
  Rng rng(seed);
  return sample_by(name, {config, prior, feasible, count, known, centre, 0.5}, rng);
}

TEST(Samplers, EveryOneGivesDistinctMembersTheSameForTheSameSeed) {
  ConstraintConfig constraints{.max_times_prior = 0};
  constraints.max_share = {{"a", 0.4}};
  constraints.min_share = {{"b", 0.1}};
  const FeasibleSet feasible = set_of(constraints);
  for (const std::string& name : sampler_names()) {
    const Points first = draw(name, feasible, 12), again = draw(name, feasible, 12);
    EXPECT_EQ(first.rows(), 12u) << name;
    EXPECT_TRUE(std::ranges::equal(first.values(), again.values())) << name;
    EXPECT_FALSE(std::ranges::equal(first.values(), draw(name, feasible, 12, nullptr, 2).values()))
        << name;
    for (size_t i = 0; i < first.rows(); ++i) {
      EXPECT_TRUE(feasible.contains(first.row(i))) << name;
      for (size_t j = 0; j < i; ++j)
        EXPECT_GT(l1_distance(first.row(i), first.row(j)), 1e-5) << name;
    }
    const Points others = draw(name, feasible, 5, &first);
    for (size_t i = 0; i < others.rows(); ++i) {
      for (size_t j = 0; j < first.rows(); ++j)
        EXPECT_GT(l1_distance(others.row(i), first.row(j)), 1e-5) << name;
    }
  }
  EXPECT_THROW(check_sampler("dirichlt"), Error);
}

// The largest difference between the share of points below x and the truth, 1 - (1 - x)⁴.
double discrepancy(const Points& points, size_t column) {
  std::vector<double> values;
  for (size_t i = 0; i < points.rows(); ++i) values.push_back(points.row(i)[column]);
  std::sort(values.begin(), values.end());
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double truth = 1 - std::pow(1 - values[i], 4);
    const double n = static_cast<double>(values.size()), k = static_cast<double>(i);
    worst = std::max({worst, (k + 1) / n - truth, truth - k / n});
  }
  return worst;
}

TEST(Samplers, SimplexIsUniformAndLowDiscrepancyMoreEvenThanIt) {
  const FeasibleSet feasible = set_of();
  double uniform = 0, even = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (size_t j = 0; j < 5; ++j) {
      uniform += discrepancy(draw("simplex", feasible, 64, nullptr, seed), j) / 50;
      even += discrepancy(draw("low_discrepancy", feasible, 64, nullptr, seed), j) / 50;
    }
  }
  EXPECT_NEAR(uniform, 0.87 / 8, 0.03);  // Kolmogorov: mean 0.87/√n
  EXPECT_LT(even, 0.8 * uniform);
}

TEST(Samplers, CornersComeFirstThenMiddlesOfEdges) {
  const Points points = draw("corners", set_of(), 9);
  ASSERT_EQ(points.rows(), 9u);
  for (size_t i = 0; i < 9; ++i) {
    const auto row = points.row(i);
    EXPECT_NEAR(*std::max_element(row.begin(), row.end()), i < 5 ? 1 : 0.5, 1e-9);
  }
}

TEST(Samplers, TheTrustRegionStaysNearAndLetsOthersIn) {
  const std::vector<double> centre = {0.5, 0.3, 0.2, 0, 0};
  const Points points = draw("trust_region", set_of(), 200);
  double far = 0;
  int entered = 0;
  for (size_t i = 0; i < points.rows(); ++i) {
    far = std::max(far, l1_distance(points.row(i), centre));
    entered += points.row(i)[3] > 0 || points.row(i)[4] > 0;
  }
  EXPECT_LT(far, 1);
  EXPECT_GT(entered, 20);
  EXPECT_LT(entered, 120);
}

TEST(Samplers, ASetOfOneMixtureIsGivenOnce) {
  ConstraintConfig constraints{.max_times_prior = 0};
  constraints.fixed_share = {{"a", 0.2}, {"b", 0.2}, {"c", 0.2}, {"d", 0.2}};
  const FeasibleSet feasible = set_of(constraints);
  for (const std::string& name : sampler_names())
    EXPECT_EQ(draw(name, feasible, 4).rows(), 1u) << name;
}

}  // namespace
}  // namespace demix
