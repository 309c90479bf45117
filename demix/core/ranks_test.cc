#include "demix/core/ranks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace demix {
namespace {

TEST(Ranks, TiesShareTheirMeanRank) {
  EXPECT_EQ(mean_ranks(std::vector<double>{3, 1, 3, 2}), (std::vector<double>{3.5, 1, 3.5, 2}));
  EXPECT_EQ(mean_ranks(std::vector<double>{5, 5, 5}), (std::vector<double>{2, 2, 2}));
  EXPECT_TRUE(mean_ranks({}).empty());
}

TEST(Correlation, EqualsScipyWithAndWithoutTies) {
  std::ifstream file(DEMIX_SOURCE_DIR "/tests/data/search/correlations.json");
  const auto expected = nlohmann::json::parse(file);
  ASSERT_GE(expected["cases"].size(), 10u);
  for (const auto& example : expected["cases"]) {
    const auto a = example["a"].get<std::vector<double>>();
    const auto b = example["b"].get<std::vector<double>>();
    EXPECT_EQ(mean_ranks(a), example["ranks_a"].get<std::vector<double>>());
    EXPECT_NEAR(spearman(a, b).value(), example["spearman"].get<double>(), 1e-12);
    EXPECT_NEAR(pearson(a, b).value(), example["pearson"].get<double>(), 1e-12);
  }
}

TEST(Correlation, WithoutEvidenceThereIsNoValue) {
  const std::vector<double> two = {1, 2}, constant = {0.1, 0.1, 0.1, 0.1}, other = {1, 2, 3, 4};
  EXPECT_FALSE(spearman(two, two));
  EXPECT_FALSE(pearson(two, two));
  EXPECT_FALSE(spearman(constant, other));
  EXPECT_FALSE(pearson(other, constant));
  EXPECT_FALSE(spearman({}, {}));
}

TEST(Correlation, DoesNotOverflowOnLargeNumbers) {
  const std::vector<double> a = {1e150, 2e150, 3e150}, b = {3, 2, 1};
  EXPECT_NEAR(pearson(a, b).value(), -1, 1e-12);
}

TEST(Correlation, TheMedianIsTheMiddleOrTheMeanOfTheTwoInTheMiddle) {
  EXPECT_EQ(median({7, 1, 3}), 3);
  EXPECT_EQ(median({7, 1, 3, 4}), 3.5);
  EXPECT_EQ(median({2}), 2);
}

TEST(Correlation, StandardDeviationIsOfTheSample) {
  const std::vector<double> values = {2, 4, 4, 4, 5, 5, 7, 9};
  EXPECT_DOUBLE_EQ(mean(values), 5);
  EXPECT_NEAR(standard_deviation(values), std::sqrt(32.0 / 7), 1e-15);
}

}  // namespace
}  // namespace demix
