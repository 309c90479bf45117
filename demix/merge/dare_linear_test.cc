#include <gtest/gtest.h>

#include <algorithm>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

// Base zero, all updates one: the result shows the mask and the scale.
Example ones(int64_t count, uint64_t seed) {
  return {
      .shape = {count}, .base = Values(count, 0.F), .models = {Values(count, 1.F)}, .seed = seed};
}

double kept_share(const Values& values) {
  return 1 -
         static_cast<double>(std::ranges::count(values, 0.F)) / static_cast<double>(values.size());
}

TEST(DareLinear, KeepsTheShareOfItsDensity) {
  constexpr int64_t kCount = 200'001;
  for (double density : {0.01, 0.3, 0.9}) {
    const Values result =
        merged("dare_linear",
               ones(kCount, 5),
               {{"weight", "1"}, {"density", fmt::format("{}", density)}, {"rescale", "false"}});
    // Five standard deviations of a binomial share.
    EXPECT_NEAR(kept_share(result), density, 5 * std::sqrt(density * (1 - density) / kCount));
    EXPECT_EQ(*std::ranges::max_element(result), 1.F);
  }
}

TEST(DareLinear, TheSameSeedGivesTheSameBitsForAnyNumberOfThreads) {
  Example example = random_example(300, 701, 3);
  const Settings settings = {{"weight", "0.5"}, {"density", "0.4"}};
  const Values one = merged("dare_linear", example, settings);
  EXPECT_EQ(merged("dare_linear", example, settings), one);
  example.threads = 4;
  EXPECT_EQ(merged("dare_linear", example, settings), one);
  example.seed = 2;
  EXPECT_NE(merged("dare_linear", example, settings), one);
}

TEST(DareLinear, ModelsAreDroppedIndependently) {
  constexpr int64_t kCount = 100'000;
  Example example = ones(kCount, 9);
  example.models.push_back(Values(kCount, 2.F));  // sums name the models that were kept
  const Values result =
      merged("dare_linear", example, {{"weight", "1"}, {"density", "0.5"}, {"rescale", "false"}});
  for (float sum : {0.F, 1.F, 2.F, 3.F}) {
    EXPECT_NEAR(static_cast<double>(std::ranges::count(result, sum)) / kCount, 0.25, 0.007) << sum;
  }
}

TEST(DareLinear, ExpectationOverSeedsIsTheWholeUpdateAndVarianceThatOfTheMask) {
  const Example whole = random_example(3, 5, 2);
  const Settings settings = {{"weight", "0.8,0.6"}, {"density", "0.3"}, {"rescale", "expectation"}};
  const Values expected = merged("task_arithmetic", whole, {{"weight", "0.8,0.6"}});
  constexpr int kSeeds = 4000;
  std::vector<double> sum(15, 0), squares(15, 0);
  for (int seed = 0; seed < kSeeds; ++seed) {
    Example example = whole;
    example.seed = seed;
    const Values result = merged("dare_linear", example, settings);
    for (size_t i = 0; i < 15; ++i) {
      sum[i] += result[i];
      squares[i] += double{result[i]} * result[i];
    }
  }
  for (size_t i = 0; i < 15; ++i) {
    const double mean = sum[i] / kSeeds, variance = squares[i] / kSeeds - mean * mean;
    double wanted = 0;  // Σ (w Δ)² (1 − d) / d
    for (size_t k = 0; k < 2; ++k) {
      const double update = (k == 0 ? 0.8 : 0.6) * (whole.models[k][i] - whole.base[i]);
      wanted += update * update * 0.7 / 0.3;
    }
    EXPECT_NEAR(mean, expected[i], 5 * std::sqrt(wanted / kSeeds) + 1e-6);
    EXPECT_NEAR(variance, wanted, 0.15 * wanted + 1e-9);
  }
}

TEST(DareLinear, ByDefaultTheL1NormOfTheUpdateIsRestored) {
  const Example example = random_example(100, 701, 1);
  const Values result = merged("dare_linear", example, {{"weight", "1"}, {"density", "0.2"}});
  const auto l1 = [&](const Values& values) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += std::abs(values[i] - example.base[i]);
    return sum;
  };
  EXPECT_NEAR(l1(result) / l1(example.models[0]), 1, 1e-5);
}

TEST(DareLinear, DensityOneKeepsAllAndZeroNothing) {
  const Example example = random_example(7, 9, 2);
  EXPECT_EQ(merged("dare_linear", example, {{"weight", "0.5"}}),
            merged("task_arithmetic", example, {{"weight", "0.5"}}));
  for (const char* rescale : {"true", "expectation", "false"}) {
    EXPECT_EQ(
        merged("dare_linear", example, {{"weight", "0.5"}, {"density", "0"}, {"rescale", rescale}}),
        example.base);
  }
}

}  // namespace
}  // namespace demix
