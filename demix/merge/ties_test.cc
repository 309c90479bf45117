#include <gtest/gtest.h>

#include <algorithm>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

// The formula element by element, the cut by sorting.
Values naive_ties(const Example& example,
                  const std::vector<double>& weights,
                  const std::vector<double>& densities,
                  bool normalize) {
  const size_t count = example.base.size(), K = example.models.size();
  std::vector<Values> trimmed;
  for (size_t k = 0; k < K; ++k) {
    Values update = difference(example.models[k], example.base);
    std::vector<size_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(
        order, [&](size_t a, size_t b) { return std::abs(update[a]) > std::abs(update[b]); });
    const size_t kept = std::max<size_t>(1, static_cast<size_t>(densities[k] * count));
    for (size_t i = kept; i < count; ++i) update[order[i]] = 0;
    trimmed.push_back(update);
  }
  Values out(count);
  for (size_t i = 0; i < count; ++i) {
    double vote = 0, sum = 0, share = 0;
    for (size_t k = 0; k < K; ++k) vote += weights[k] * trimmed[k][i];
    for (size_t k = 0; k < K; ++k) {
      const double x = weights[k] * trimmed[k][i];
      if (vote >= 0 ? x > 0 : x < 0) {
        sum += x;
        share += weights[k];
      }
    }
    if (normalize && share != 0) sum /= share;
    out[i] = static_cast<float>(example.base[i] + sum);
  }
  return out;
}

TEST(Ties, TrimsElectsAndAverages) {
  const Example example = {
      .shape = {5},
      .base = {0, 0, 0, 0, 1},
      .models = {{4, -3, 0.1, 2, 1}, {-1, -5, 3, 0.2, 1}, {2, 6, 0.3, 0.1, 1}}};
  // With density 0.4 two elements of each are kept: 4 −3 | −5 3 | 2 6. Votes at the first three
  // places: 6 (4 and 2 agree), −2 (−3 and −5), 3.
  EXPECT_EQ(merged("ties", example, {{"weight", "1"}, {"density", "0.4"}}),
            (Values{3, -4, 3, 0, 1}));
  EXPECT_EQ(merged("ties", example, {{"weight", "1"}, {"density", "0.4"}, {"normalize", "false"}}),
            (Values{6, -8, 3, 0, 1}));
  EXPECT_EQ(merged("ties", example, {{"weight", "1,3,1"}, {"density", "0.4"}, {"lambda", "2"}}),
            (Values{6, -9, 6, 0, 1}));
}

TEST(Ties, AVoteOfZeroIsPositive) {
  const Example example = {.shape = {1}, .base = {0}, .models = {{2}, {-2}}};
  EXPECT_EQ(merged("ties", example, {{"weight", "1"}}), (Values{2}));
}

TEST(Ties, ATensorOfManyPartsEqualsTheFormula) {
  Example example = random_example(400, 513, 4);
  // Coarse values: many of the same magnitude at every cut.
  for (Values& model : example.models) {
    for (size_t i = 0; i < model.size(); i += 2) {
      model[i] = example.base[i] + std::round((model[i] - example.base[i]) * 32) / 32;
    }
  }
  const Settings settings = {{"weight", "0.2,0.5,0.3,0.4"}, {"density", "0.3,0.5,1,0.01"}};
  const Values one = merged("ties", example, settings);
  const Values expected = naive_ties(example, {0.2, 0.5, 0.3, 0.4}, {0.3, 0.5, 1, 0.01}, true);
  int64_t different = 0;
  for (size_t i = 0; i < one.size(); ++i) different += std::abs(one[i] - expected[i]) > 1e-6;
  // Votes that cancel out to a rounding error may go either way.
  EXPECT_LE(different, static_cast<int64_t>(one.size()) / 1000);
  example.threads = 3;
  EXPECT_EQ(merged("ties", example, settings), one);
}

TEST(Ties, ManyModelsShrinkTheBlocksNotTheResult) {
  Example example = random_example(70, 101, 100);
  const std::vector<double> weights(100, 0.01), densities(100, 0.5);
  const Values found = merged("ties", example, {{"weight", "0.01"}, {"density", "0.5"}});
  EXPECT_LT(largest_difference(found, naive_ties(example, weights, densities, true)), 1e-5);
}

TEST(Ties, AtLeastOneElementIsKeptUnlessTheDensityIsZero) {
  const Example example = {.shape = {4}, .base = {0, 0, 0, 0}, .models = {{1, -3, 2, 0}}};
  EXPECT_EQ(merged("ties", example, {{"weight", "1"}, {"density", "0.001"}}),
            (Values{0, -3, 0, 0}));
  EXPECT_EQ(merged("ties", example, {{"weight", "1"}, {"density", "0"}}), example.base);
}

TEST(Ties, RescalingGivesATrimmedUpdateItsNormBack) {
  const Example example = {.shape = {4}, .base = {0, 0, 0, 0}, .models = {{1, -3, 2, 0}}};
  const auto rescaled = [&](const char* norm) {
    return merged("ties", example, {{"weight", "1"}, {"density", "0.25"}, {"rescale", norm}});
  };
  EXPECT_EQ(rescaled("true"), (Values{0, -6, 0, 0}));
  EXPECT_EQ(rescaled("l1"), (Values{0, -6, 0, 0}));
  EXPECT_NEAR(rescaled("l2")[1], -std::sqrt(14), 1e-6);
  EXPECT_EQ(rescaled("linf"), (Values{0, -3, 0, 0}));
}

TEST(Ties, ANanIsNotLost) {
  const Example example = {
      .shape = {4}, .base = {0, 0, 0, 0}, .models = {{1, NAN, 2, 0}, {1, 1, 1, 1}}};
  const Values result = merged("ties", example, {{"weight", "1"}, {"density", "0.25"}});
  // It takes the place of the largest.
  EXPECT_TRUE(std::isnan(result[1]));
  EXPECT_EQ(result[2], 0);
  EXPECT_EQ(result[0], 1);
}

TEST(Ties, RefusesDensitiesThatAreNoShares) {
  const Example example = {.shape = {1}, .base = {0}, .models = {{2}, {-2}}};
  EXPECT_THROW(merged("ties", example, {{"weight", "1"}, {"density", "1.2"}}), Error);
  EXPECT_THROW(merged("ties", example, {{"weight", "1"}, {"density", "-0.1"}}), Error);
  EXPECT_THROW(merged("ties", example, {{"weight", "1"}, {"rescale", "expectation"}}), Error);
}

}  // namespace
}  // namespace demix
