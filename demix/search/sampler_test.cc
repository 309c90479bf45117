#include "demix/search/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"

namespace demix {
namespace {

// The paper's seven datasets and their prior sizes in billions of tokens.
const std::vector<std::string> kNames = {"general",
                                         "math_very_high",
                                         "math_high",
                                         "math_medium",
                                         "code_very_high",
                                         "code_high",
                                         "code_medium"};
std::vector<double> paper_prior() {
  std::vector<double> prior = {1278, 284, 69, 100, 51, 141, 633};
  const double sum = std::accumulate(prior.begin(), prior.end(), 0.0);
  for (double& p : prior) p /= sum;
  return prior;
}

FeasibleSet paper_set(const Composition& composition) {
  return FeasibleSet(composition, share_constraints({}, composition, paper_prior(), {}, 0));
}

std::vector<double> mean(const Points& points) {
  std::vector<double> sum(points.columns());
  for (size_t i = 0; i < points.rows(); ++i) {
    for (size_t j = 0; j < sum.size(); ++j)
      sum[j] += points.row(i)[j] / static_cast<double>(points.rows());
  }
  return sum;
}

TEST(Sampler, TwentyThousandDrawsAllMeetTheirCapsAfterNormalisation) {
  const auto composition = Composition::anchored(kNames, "general", 0.5);
  const auto set = paper_set(composition);
  const auto prior = paper_prior();
  const auto prior_shares = composition.data_shares(prior);
  Rng rng(42);
  const Points drawn = sample_mixtures({}, prior, set, 20000, rng);
  ASSERT_EQ(drawn.rows(), 20000u);
  double worst_weight = 0, worst_share = 0, worst_sum = 0, least_positive = 1;
  for (size_t i = 0; i < drawn.rows(); ++i) {
    const auto alpha = drawn.row(i);
    const auto shares = composition.data_shares(alpha);
    double sum = 0;
    for (size_t j = 0; j < kNames.size(); ++j) {
      ASSERT_GE(alpha[j], 0);
      if (alpha[j] > 0) least_positive = std::min(least_positive, alpha[j]);
      sum += alpha[j];
      worst_share = std::max(worst_share, shares[j] - 4 * prior_shares[j]);
      if (j > 0) worst_weight = std::max(worst_weight, alpha[j] - 4 * prior[j]);
    }
    worst_sum = std::max(worst_sum, std::abs(sum - 1));
  }
  EXPECT_LE(worst_share, FeasibleSet::kTolerance);
  EXPECT_LE(worst_weight, 2 * FeasibleSet::kTolerance);  // the paper's caps, on merge weights
  EXPECT_LE(worst_sum, 1e-12);
  EXPECT_GE(least_positive, 2e-4);
}

TEST(Sampler, WithoutConstraintsTheMeanIsTheTemperedPrior) {
  const auto composition = Composition::anchored(kNames, "", 0);
  const FeasibleSet set(composition, {});
  const auto prior = paper_prior();
  Rng rng(1);
  const Points drawn = sample_mixtures({.min_weight = 0}, prior, set, 20000, rng);
  std::vector<double> expected;
  double sum = 0;
  for (double p : prior) sum += expected.emplace_back(std::pow(p, 0.7));
  const auto found = mean(drawn);
  // A draw's standard deviation is at most sqrt(p(1-p)/1.5), averaged over 20,000.
  for (size_t j = 0; j < kNames.size(); ++j)
    EXPECT_NEAR(found[j], expected[j] / sum, 0.012) << kNames[j];
}

TEST(Sampler, DrawsAreTheDirichletGivenTheConstraints) {
  // One strength; the reference draws without end until a draw is inside.
  const auto composition = Composition::anchored({"a", "b", "c"}, "", 0);
  const std::vector<double> prior = {0.5, 0.3, 0.2};
  const ConstraintConfig constraints{.max_times_prior = 0, .max_share = {{"a", 0.8}}};
  const FeasibleSet set(composition, share_constraints(constraints, composition, prior, {}, 0));
  const SamplerConfig config{
      .prior_power = 1, .min_strength = 3, .max_strength = 3, .strengths = 1, .min_weight = 0};
  Rng rng(3);
  const auto found = mean(sample_mixtures(config, prior, set, 20000, rng));
  std::vector<double> expected(3);
  Rng other(4);
  for (int accepted = 0; accepted < 20000;) {
    const auto draw = other.dirichlet(std::vector<double>{1.5, 0.9, 0.6});
    if (draw[0] > 0.8) continue;
    ++accepted;
    for (size_t j = 0; j < 3; ++j) expected[j] += draw[j] / 20000;
  }
  for (size_t j = 0; j < 3; ++j) EXPECT_NEAR(found[j], expected[j], 0.01);
}

TEST(Sampler, TightConstraintsAreMetByPullingDrawsInside) {
  // Every draw must hold a tenth of each dataset: sparse draws never do by themselves.
  const auto composition = Composition::anchored(kNames, "", 0);
  ConstraintConfig constraints{.max_times_prior = 0};
  for (const auto& name : kNames) constraints.min_share[name] = 0.1;
  const FeasibleSet set(composition,
                        share_constraints(constraints, composition, paper_prior(), {}, 0));
  Rng rng(5);
  const Points drawn = sample_mixtures({}, paper_prior(), set, 500, rng);
  ASSERT_EQ(drawn.rows(), 500u);
  for (size_t i = 0; i < drawn.rows(); ++i) {
    EXPECT_LE(set.violation(drawn.row(i)), FeasibleSet::kTolerance);
  }
  // The room above the minimum (0.3 in all) is still used, not only corners of it.
  for (double m : mean(drawn)) EXPECT_GT(m, 0.105);
}

TEST(Sampler, DrawsAreDistinctAndNewToWhatIsKnown) {
  const auto composition = Composition::anchored({"a", "b"}, "", 0);
  const FeasibleSet set(composition, {});
  const std::vector<double> prior = {0.5, 0.5};
  const SamplerConfig config{.duplicate_l1 = 0.01};
  Rng rng(6);
  // Two weights: at most about 200 points are 0.01 apart in L1.
  const Points first = sample_mixtures(config, prior, set, 60, rng);
  const Points second = sample_mixtures(config, prior, set, 1000, rng, &first);
  EXPECT_EQ(first.rows(), 60u);
  EXPECT_GT(second.rows(), 50u);
  EXPECT_LT(second.rows(), 141u);
  for (size_t i = 0; i < second.rows(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_GT(l1_distance(second.row(i), second.row(j)), 0.01);
    for (size_t j = 0; j < first.rows(); ++j)
      EXPECT_GT(l1_distance(second.row(i), first.row(j)), 0.01);
  }
}

TEST(Sampler, ASingleFeasibleMixtureIsReturnedOnce) {
  const auto composition = Composition::anchored({"a", "b"}, "", 0);
  const ConstraintConfig constraints{.max_times_prior = 0, .max_share = {{"a", 0.25}, {"b", 0.75}}};
  const std::vector<double> prior = {0.5, 0.5};
  const FeasibleSet set(composition, share_constraints(constraints, composition, prior, {}, 0));
  Rng rng(7);
  const Points drawn = sample_mixtures({}, prior, set, 10, rng);
  ASSERT_EQ(drawn.rows(), 1u);
  EXPECT_NEAR(drawn.row(0)[0], 0.25, 1e-9);
}

TEST(Sampler, TheSameStreamGivesTheSameMixtures) {
  const auto composition = Composition::anchored(kNames, "general", 0.5);
  const auto set = paper_set(composition);
  Rng a(9), b(9);
  const Points first = sample_mixtures({}, paper_prior(), set, 100, a);
  const Points second = sample_mixtures({}, paper_prior(), set, 100, b);
  EXPECT_TRUE(std::equal(first.values().begin(), first.values().end(), second.values().begin()));
}

TEST(Sampler, AComponentWithPriorZeroGetsNoWeight) {
  const FeasibleSet set(Composition::anchored({"a", "b", "c"}, "", 0), {});
  const std::vector<double> prior = {0.5, 0, 0.5};
  Rng rng(10);
  const Points drawn = sample_mixtures({}, prior, set, 50, rng);
  for (size_t i = 0; i < drawn.rows(); ++i) EXPECT_EQ(drawn.row(i)[1], 0);
}

TEST(Sampler, BadSettingsAreErrors) {
  const FeasibleSet set(Composition::anchored({"a", "b"}, "", 0), {});
  const auto refuses = [&](SamplerConfig config, std::vector<double> prior) {
    Rng rng(1);
    EXPECT_THROW(sample_mixtures(config, prior, set, 3, rng), Error);
  };
  refuses({.min_strength = 0}, {0.5, 0.5});
  refuses({.min_strength = 6}, {0.5, 0.5});
  refuses({.strengths = 0}, {0.5, 0.5});
  refuses({.min_weight = 0.6}, {0.5, 0.5});
  refuses({}, {0.5, 0.5, 0});
  refuses({}, {0, 0});
  refuses({}, {std::nan(""), 1});
}

TEST(DistinctRows, KeepTheFirstOfEachGroupInOrder) {
  Points points(2);
  points.add(std::vector<double>{0.5, 0.5});
  points.add(std::vector<double>{0.2, 0.8});
  points.add(std::vector<double>{0.500004, 0.499996});  // L1 8e-6 from the first
  points.add(std::vector<double>{0.8, 0.2});
  points.add(std::vector<double>{0.50001, 0.49999});  // 2e-5 from the first
  EXPECT_EQ(distinct_rows(points, 1e-5), (std::vector<size_t>{0, 1, 3, 4}));
  Points known(2);
  known.add(std::vector<double>{0.2, 0.8});
  EXPECT_EQ(distinct_rows(points, 1e-5, &known), (std::vector<size_t>{0, 3, 4}));
}

}  // namespace
}  // namespace demix
