#include <gtest/gtest.h>

#include <algorithm>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

// One row of n updates 1, 2, …, n.
Example ranks(int64_t n, uint64_t seed) {
  Example example = {.shape = {1, n}, .base = Values(n, 0.F), .models = {Values(n)}, .seed = seed};
  std::iota(example.models[0].begin(), example.models[0].end(), 1.F);
  return example;
}

TEST(DellaLinear, TheProbabilityOfBeingKeptRisesWithTheRank) {
  constexpr int kSeeds = 5000;
  constexpr int64_t kRow = 11;
  std::vector<double> kept(kRow, 0);
  for (int seed = 0; seed < kSeeds; ++seed) {
    const Values result =
        merged("della_linear",
               ranks(kRow, seed),
               {{"weight", "1"}, {"density", "0.4"}, {"epsilon", "0.3"}, {"rescale", "false"}});
    for (int64_t i = 0; i < kRow; ++i) kept[i] += result[i] != 0;
  }
  for (int64_t i = 0; i < kRow; ++i) {
    const double p = 0.1 + 0.6 * static_cast<double>(i) / (kRow - 1);
    EXPECT_NEAR(kept[i] / kSeeds, p, 5 * std::sqrt(p * (1 - p) / kSeeds)) << i;
  }
}

TEST(DellaLinear, EveryRowIsRankedByItself) {
  // Rows of very different size: each keeps its density.
  constexpr int64_t kRows = 200, kColumns = 501;
  Example example = {.shape = {kRows, kColumns},
                     .base = Values(kRows * kColumns, 0.F),
                     .models = {normal_values(kRows * kColumns, 3)}};
  for (int64_t i = 0; i < kRows * kColumns; ++i) {
    example.models[0][i] *= static_cast<float>(1 + i / kColumns);
  }
  const Values result =
      merged("della_linear",
             example,
             {{"weight", "1"}, {"density", "0.3"}, {"epsilon", "0.29"}, {"rescale", "false"}});
  for (int64_t row : {int64_t{0}, kRows - 1}) {
    const auto begin = result.begin() + row * kColumns;
    const double kept =
        1 - static_cast<double>(std::count(begin, begin + kColumns, 0.F)) / kColumns;
    EXPECT_NEAR(kept, 0.3, 0.11) << row;  // five standard deviations
  }
  example.threads = 3;
  EXPECT_EQ(
      merged("della_linear",
             example,
             {{"weight", "1"}, {"density", "0.3"}, {"epsilon", "0.29"}, {"rescale", "false"}}),
      result);
}

TEST(DellaLinear, EqualMagnitudesShareTheirMeanRank) {
  constexpr int kSeeds = 4000;
  const Values row = {1, -1, 1, 5};
  std::vector<double> kept(4, 0);
  for (int seed = 0; seed < kSeeds; ++seed) {
    const Values result =
        merged("della_linear",
               {.shape = {1, 4}, .base = Values(4, 0.F), .models = {row}, .seed = uint64_t(seed)},
               {{"weight", "1"}, {"density", "0.5"}, {"epsilon", "0.3"}, {"rescale", "false"}});
    for (size_t i = 0; i < 4; ++i) kept[i] += result[i] != 0;
  }
  // Ranks 2, 2, 2 and 4 of 4: 0.2 + 0.6 · (1/3, 1/3, 1/3, 1).
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(kept[i] / kSeeds, 0.4, 0.039) << i;
  EXPECT_NEAR(kept[3] / kSeeds, 0.8, 0.032);
}

TEST(DellaLinear, ExpectationOverSeedsIsTheWholeUpdate) {
  constexpr int kSeeds = 4000;
  constexpr int64_t kRow = 7;
  std::vector<double> sum(2 * kRow, 0);
  Example example = random_example(2, kRow, 2);
  const Values expected = merged("task_arithmetic", example, {{"weight", "0.8,0.6"}});
  for (int seed = 0; seed < kSeeds; ++seed) {
    example.seed = seed;
    const Values result = merged("della_linear",
                                 example,
                                 {{"weight", "0.8,0.6"},
                                  {"density", "0.5"},
                                  {"epsilon", "0.2"},
                                  {"rescale", "expectation"}});
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += result[i];
  }
  for (size_t i = 0; i < sum.size(); ++i) {
    double variance = 0;  // at most Σ (w Δ)² (1 − p) / p with the smallest p
    for (size_t k = 0; k < 2; ++k) {
      const double update = (k == 0 ? 0.8 : 0.6) * (example.models[k][i] - example.base[i]);
      variance += update * update * 0.7 / 0.3;
    }
    EXPECT_NEAR(sum[i] / kSeeds, expected[i], 5 * std::sqrt(variance / kSeeds) + 1e-6);
  }
}

TEST(DellaLinear, MoreModelsThanMarksInAWordAreKeptApart) {
  // Model 40 alone counts; its mask is that of its own stream, whatever the others are.
  Example example = random_example(20, 33, 45);
  Settings settings = {{"density", "0.4"}, {"rescale", "false"}};
  std::string weights;
  for (int k = 0; k < 45; ++k) weights += fmt::format("{}{}", k == 0 ? "" : ",", k == 40 ? 1 : 0);
  settings.emplace_back("weight", weights);
  const Values result = merged("della_linear", example, settings);
  int64_t kept = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    if (result[i] == example.base[i]) continue;
    ++kept;
    EXPECT_NEAR(result[i], example.models[40][i], 1e-6);
  }
  EXPECT_NEAR(static_cast<double>(kept) / 660, 0.4, 0.1);
  settings[1] = {"rescale", "expectation"};
  const Values scaled = merged("della_linear", example, settings);
  for (size_t i = 0; i < result.size(); ++i) {
    EXPECT_EQ(result[i] == example.base[i], scaled[i] == example.base[i]) << i;
  }
}

TEST(DellaLinear, ARowOfOneElementIsKeptWithItsDensity) {
  constexpr int64_t kRows = 20'000;
  const Example example = {
      .shape = {kRows, 1}, .base = Values(kRows, 0.F), .models = {Values(kRows, 1.F)}};
  const Values result =
      merged("della_linear", example, {{"weight", "1"}, {"density", "0.6"}, {"rescale", "false"}});
  EXPECT_NEAR(static_cast<double>(std::ranges::count(result, 1.F)) / kRows, 0.6, 0.0175);
}

TEST(DellaLinear, HeavyTailsAndInfinitiesAreRankedAsAnyOther) {
  for (const Values& row :
       {Values{1e30F, 1e-30F, 3, 2, 1, 1e20F}, Values{INFINITY, 1, 2, 3, 4, 5}}) {
    int largest = 0, smallest = 0;
    for (int seed = 0; seed < 2000; ++seed) {
      const Values result =
          merged("della_linear",
                 {.shape = {1, 6}, .base = Values(6, 0.F), .models = {row}, .seed = uint64_t(seed)},
                 {{"weight", "1"}, {"density", "0.5"}, {"epsilon", "0.4"}, {"rescale", "false"}});
      largest += result[0] == row[0];
      smallest += result[1] == row[1];
    }
    EXPECT_NEAR(largest / 2000.0, 0.9, 0.034);
    EXPECT_NEAR(smallest / 2000.0, 0.1, 0.034);
  }
}

TEST(DellaLinear, RefusesProbabilitiesOutsideZeroAndOne) {
  const Example example = random_example(2, 3, 2);
  EXPECT_THROW(merged("della_linear", example, {{"weight", "1"}, {"density", "0.1"}}), Error);
  EXPECT_THROW(merged("della_linear", example, {{"weight", "1"}, {"density", "0.9"}}), Error);
  EXPECT_THROW(
      merged("della_linear", example, {{"weight", "1"}, {"density", "0.5"}, {"epsilon", "0.5"}}),
      Error);
  // At the ends epsilon plays no part.
  EXPECT_EQ(merged("della_linear", example, {{"weight", "1"}, {"density", "0"}}), example.base);
  EXPECT_EQ(merged("della_linear", example, {{"weight", "1"}}),
            merged("task_arithmetic", example, {{"weight", "1"}}));
}

}  // namespace
}  // namespace demix
