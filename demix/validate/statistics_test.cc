#include "demix/validate/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "demix/core/ranks.h"

namespace demix {
namespace {

using Table = std::vector<std::vector<double>>;
constexpr BootstrapConfig kQuick{.resamples = 400};

// n pairs with correlation about `strength`.
std::pair<std::vector<double>, std::vector<double>> related(size_t n, double strength, int seed) {
  Rng rng(seed);
  std::vector<double> a, b;
  for (size_t i = 0; i < n; ++i) {
    a.push_back(rng.normal());
    b.push_back(strength * a.back() + std::sqrt(1 - strength * strength) * rng.normal());
  }
  return {a, b};
}

TEST(TopQuartile, OnlyTheBestQuarterOfTheReferencesCounts) {
  // The chooser is right among the worst nine, and reversed among the best three.
  std::vector<double> reference, chooser;
  for (int i = 0; i < 12; ++i) {
    reference.push_back(i);
    chooser.push_back(i < 9 ? i : 20 - i);
  }
  EXPECT_NEAR(spearman_top_quartile(chooser, reference).value(), -1, 1e-12);
  EXPECT_GT(spearman(chooser, reference).value(), 0.8);
}

TEST(TopQuartile, ItsReferencesAreChosenByTheirOwnScoreNotTheChoosers) {
  // Best three by reference: 10, 9, 8, which the chooser scores 1, 3, 2.
  const std::vector<double> reference = {10, 9, 8, 1, 2, 3, 4, 5, 6, 7, 0, 0.5};
  const std::vector<double> chooser = {1, 3, 2, 90, 91, 92, 93, 94, 95, 96, 97, 98};
  EXPECT_NEAR(spearman_top_quartile(chooser, reference).value(), -0.5, 1e-12);
}

TEST(TopQuartile, TiesAtTheBorderAreAllIncluded) {
  const std::vector<double> reference = {5, 4, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1};
  const std::vector<double> chooser = {5, 4, 3, 2, 1, 9, 9, 9, 9, 9, 9, 9};
  EXPECT_NEAR(
      spearman_top_quartile(chooser, reference).value(),
      spearman(std::vector<double>{5, 4, 3, 2, 1}, std::vector<double>{5, 4, 3, 3, 3}).value(),
      1e-12);
}

TEST(TopQuartile, EightReferencesAreTooFew) {
  const auto [a, b] = related(8, 0.9, 1);
  EXPECT_FALSE(spearman_top_quartile(a, b));
}

TEST(Regret, IsTheLossOfTheChoiceInStandardDeviations) {
  const std::vector<double> reference = {1, 2, 3, 4};
  // The chooser ranks the third first: (4 - 3) / sd, sd = sqrt(5/3).
  EXPECT_NEAR(
      regret(std::vector<double>{0, 0, 1, 0.5}, reference).value(), 1 / std::sqrt(5.0 / 3), 1e-12);
  EXPECT_EQ(regret(reference, reference).value(), 0);
  // Undecided between the last two: half of that.
  EXPECT_NEAR(
      regret(std::vector<double>{0, 0, 1, 1}, reference).value(), 0.5 / std::sqrt(5.0 / 3), 1e-12);
  EXPECT_FALSE(regret(std::vector<double>{1, 2, 3}, std::vector<double>{2, 2, 2}));
  EXPECT_FALSE(regret(std::vector<double>{1, 2}, std::vector<double>{1, 2}));
}

TEST(CapabilityRecovery, IsARatioOfMeansAndNothingForLosses) {
  EXPECT_NEAR(
      capability_recovery(std::vector<double>{0.3, 0.5}, std::vector<double>{0.4, 0.6}).value(),
      0.8,
      1e-12);
  EXPECT_FALSE(capability_recovery(std::vector<double>{-1.2, -1}, std::vector<double>{-1, -0.9}));
  EXPECT_FALSE(capability_recovery({}, {}));
}

TEST(Bootstrap, TheIntervalOfAMeanIsAboutTwoStandardErrorsWide) {
  Rng rng(2);
  std::vector<double> values(400);
  for (double& x : values) x = rng.normal();
  const ReferenceStatistic mean_of =
      [&](std::span<const size_t> positions) -> std::optional<double> {
    double sum = 0;
    for (size_t i : positions) sum += values[i];
    return sum / static_cast<double>(positions.size());
  };
  const Evidence evidence = bootstrap(values.size(), mean_of, Rng(3));
  const double error = standard_deviation(values) / 20;
  EXPECT_NEAR(evidence.value.value(), mean(values), 1e-12);
  EXPECT_NEAR(evidence.low.value(), mean(values) - 1.96 * error, 0.2 * error);
  EXPECT_NEAR(evidence.high.value(), mean(values) + 1.96 * error, 0.2 * error);
}

TEST(Bootstrap, TheSameStreamGivesTheSameInterval) {
  const auto [a, b] = related(16, 0.7, 4);
  const auto first = agreement(a, b, Rng(5).stream("x"), kQuick);
  const auto second = agreement(a, b, Rng(5).stream("x"), kQuick);
  const auto other = agreement(a, b, Rng(6).stream("x"), kQuick);
  EXPECT_EQ(first.spearman.low, second.spearman.low);
  EXPECT_NE(first.spearman.low, other.spearman.low);
  EXPECT_LT(first.spearman.low.value(), first.spearman.value.value());
  EXPECT_GE(first.spearman.high.value(), first.spearman.value.value());
}

TEST(Bootstrap, ABoundThatLiesAmongResamplesWithoutAValueIsNotGiven) {
  // No value in a tenth of the resamples: they could have been anything, so neither 95 % bound is
  // known, though both 50 % bounds are.
  int call = 0;
  const ReferenceStatistic sometimes = [&](std::span<const size_t>) -> std::optional<double> {
    ++call;
    if (call % 10 == 0) return std::nullopt;
    return call % 7;
  };
  const Evidence strict = bootstrap(10, sometimes, Rng(7), {.resamples = 500});
  EXPECT_TRUE(strict.value);
  EXPECT_FALSE(strict.low);
  EXPECT_FALSE(strict.high);
  const Evidence loose = bootstrap(10, sometimes, Rng(7), {.resamples = 500, .confidence = 0.5});
  EXPECT_TRUE(loose.low);
  EXPECT_TRUE(loose.high);
}

TEST(Bootstrap, ThreeReferencesGiveAValueWithoutAnInterval) {
  const std::vector<double> a = {1, 2, 3}, b = {1, 3, 2};
  const Evidence evidence = agreement(a, b, Rng(1), kQuick).spearman;
  EXPECT_NEAR(evidence.value.value(), 0.5, 1e-12);
  EXPECT_FALSE(evidence.low);
}

TEST(Bootstrap, ThreeOfTwelveReferencesLeaveTheTopQuartileWithoutBounds) {
  // A resample of twelve often repeats one reference three times at the top.
  const auto [a, b] = related(12, 0.9, 8);
  const Evidence evidence = agreement(a, b, Rng(1), kQuick).spearman_top_quartile;
  EXPECT_TRUE(evidence.value);
  EXPECT_FALSE(evidence.low);
  EXPECT_FALSE(evidence.high);
}

TEST(Bootstrap, ConstantReferencesAreNoEvidence) {
  const std::vector<double> a = {1, 2, 3, 4, 5}, b(5, 0.25);
  const AgreementEvidence found = agreement(a, b, Rng(1), kQuick);
  EXPECT_FALSE(found.spearman.value);
  EXPECT_FALSE(found.spearman.low);
  EXPECT_FALSE(found.regret.value);
}

TEST(Macro, IsTheMeanOverDomainsWithRegretOnTheObjective) {
  const Table reference = {{1, 2, 3, 4, 5}, {5, 3, 4, 2, 1}};
  const Table chooser = {{1, 2, 3, 5, 4}, {5, 4, 3, 2, 1}};
  const AgreementEvidence macro = macro_agreement(chooser, reference, Rng(1), kQuick);
  EXPECT_NEAR(macro.spearman.value.value(), 0.9, 1e-12);
  // Percentile sums: references {6,5,7,6,6}, chooser {6,6,6,7,5} of ten; the chooser's first
  // (fourth) has 6, the best 7; in standard deviations of {6,5,7,6,6}, sqrt(0.5).
  EXPECT_NEAR(macro.regret.value.value(), 1 / std::sqrt(0.5), 1e-12);
}

TEST(Macro, OneDomainWithoutEvidenceLeavesNoMeanOverDomains) {
  const Table reference = {{1, 2, 3, 4, 5}, {7, 7, 7, 7, 7}};
  const AgreementEvidence macro = macro_agreement(reference, reference, Rng(1), kQuick);
  EXPECT_FALSE(macro.spearman.value);
  EXPECT_TRUE(macro.regret.value);
}

TEST(Difference, OfAChooserFromItselfIsZeroInEveryResample) {
  const auto [a, b] = related(12, 0.5, 10);
  const Table chooser = {a}, reference = {b};
  const Evidence evidence = spearman_difference(chooser, chooser, reference, Rng(1), kQuick);
  EXPECT_EQ(evidence.value, 0.0);
  EXPECT_EQ(evidence.low, 0.0);
  EXPECT_EQ(evidence.high, 0.0);
}

TEST(Difference, PairingNarrowsTheIntervalOfTwoSimilarChoosers) {
  const auto [a, reference] = related(40, 0.6, 11);
  Rng rng(12);
  std::vector<double> similar = a;
  for (double& x : similar) x += 0.05 * rng.normal();
  const Table ta = {a}, tb = {similar}, tr = {reference};
  const Evidence difference = spearman_difference(ta, tb, tr, Rng(1), kQuick);
  const Evidence single = agreement(a, reference, Rng(1), kQuick).spearman;
  EXPECT_LT(*difference.high - *difference.low, 0.3 * (*single.high - *single.low));
}

TEST(Difference, OfRegretIsNegativeForTheBetterChooser) {
  const Table reference = {{1, 2, 3, 4, 5, 6}};
  const Table good = {{1, 2, 3, 4, 5, 6}}, poor = {{6, 5, 4, 3, 2, 1}};
  const Evidence evidence = regret_difference(good, poor, reference, Rng(1), kQuick);
  EXPECT_NEAR(evidence.value.value(), -5 / std::sqrt(3.5), 1e-12);
  EXPECT_LE(evidence.high.value(), 0);
}

}  // namespace
}  // namespace demix
