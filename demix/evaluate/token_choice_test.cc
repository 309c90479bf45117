#include "demix/evaluate/token_choice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "demix/core/error.h"

namespace demix {
namespace {

const std::vector<float> kLogits = {0.5F, 2, -1, 2, 0};

// How often each token is drawn, of 20,000 draws.
std::map<int32_t, double> frequencies(const SamplingConfig& config) {
  constexpr int kDraws = 20'000;
  Rng rng(5);
  std::map<int32_t, double> result;
  for (int i = 0; i < kDraws; ++i) result[*choose_token(kLogits, config, rng)] += 1.0 / kDraws;
  return result;
}

TEST(TokenChoice, GreedyTakesTheFirstOfTheLikeliest) {
  Rng rng(1);
  EXPECT_EQ(choose_token(kLogits, {}, rng), 1);
}

TEST(TokenChoice, DrawsFromTheSoftmaxAtTheTemperature) {
  const double temperature = 0.7;
  const auto drawn = frequencies({.temperature = temperature});
  double sum = 0;
  for (float logit : kLogits) sum += std::exp(logit / temperature);
  for (size_t i = 0; i < kLogits.size(); ++i)
    EXPECT_NEAR(drawn.at(static_cast<int32_t>(i)), std::exp(kLogits[i] / temperature) / sum, 0.012);
}

TEST(TokenChoice, TopKLeavesTheLikeliest) {
  const auto drawn = frequencies({.temperature = 1, .top_k = 2});
  ASSERT_EQ(drawn.size(), 2U);
  EXPECT_NEAR(drawn.at(1), 0.5, 0.012);
  EXPECT_NEAR(drawn.at(3), 0.5, 0.012);
}

TEST(TokenChoice, TopPLeavesTheFewestThatTogetherHaveIt) {
  // Shares of 1, 3 and 0: 0.40, 0.40 and 0.09.
  EXPECT_EQ(frequencies({.temperature = 1, .top_p = 0.3}).size(), 1U);
  EXPECT_EQ(frequencies({.temperature = 1, .top_p = 0.7}).size(), 2U);
  EXPECT_EQ(frequencies({.temperature = 1, .top_p = 0.85}).size(), 3U);
}

TEST(TokenChoice, HasNoAnswerWithoutFiniteLogits) {
  Rng rng(1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(choose_token(std::vector<float>{1, nan}, {}, rng));
  EXPECT_FALSE(choose_token(std::vector<float>{-inf, -inf}, {.temperature = 1}, rng));
  EXPECT_FALSE(choose_token(std::vector<float>{inf, 0}, {}, rng));
}

TEST(TokenChoice, RefusesWrongSettings) {
  EXPECT_THROW(SamplingConfig{.temperature = -1}.check(), Error);
  EXPECT_THROW((SamplingConfig{.temperature = 1, .top_k = -1}.check()), Error);
  EXPECT_THROW((SamplingConfig{.temperature = 1, .top_p = 0}.check()), Error);
}

}  // namespace
}  // namespace demix
