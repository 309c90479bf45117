#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

// Σ_k a_k θ_k / sin θ_k (u_k − cos θ_k m): zero at the mean, and nowhere else nearby.
double pull(const Example& example, const std::vector<double>& shares, const Values& mean) {
  std::vector<double> sum(mean.size(), 0);
  for (size_t k = 0; k < shares.size(); ++k) {
    const Values& model = example.models[k];
    const double cosine = cosine_of(model, mean), angle = std::acos(cosine);
    for (size_t i = 0; i < mean.size(); ++i) {
      sum[i] += shares[k] * angle / std::sin(angle) *
                (model[i] / length_of(model) - cosine * mean[i] / length_of(mean));
    }
  }
  double square = 0;
  for (double x : sum) square += x * x;
  return std::sqrt(square);
}

Example directions(size_t models) {
  Example example = {.shape = {40, 25}};
  for (size_t k = 0; k < models; ++k) example.models.push_back(normal_values(1000, 70 + k));
  return example;
}

TEST(Karcher, TheWeightedAnglesToTheMeanBalance) {
  const Example example = directions(4);
  const Values mean =
      merged("karcher", example, {{"weight", "1,2,3,4"}, {"max_iter", "50"}, {"tol", "1e-9"}});
  EXPECT_LT(pull(example, {0.1, 0.2, 0.3, 0.4}, mean), 1e-6);
  // The plain mean direction does not balance them.
  const Values plain = merged("multislerp", example, {{"weight", "1,2,3,4"}});
  EXPECT_GT(pull(example, {0.1, 0.2, 0.3, 0.4}, plain), 1e-3);
}

TEST(Karcher, TheLengthIsTheMeanLength) {
  const Example example = directions(3);
  const Values mean = merged("karcher", example, {{"weight", "1,1,2"}});
  const double expected = 0.25 * length_of(example.models[0]) +
                          0.25 * length_of(example.models[1]) + 0.5 * length_of(example.models[2]);
  EXPECT_NEAR(length_of(mean) / expected, 1, 1e-6);
}

TEST(Karcher, OfTwoModelsItDividesTheAngle) {
  const Example example = directions(2);
  const Values mean =
      merged("karcher", example, {{"weight", "1,3"}, {"max_iter", "100"}, {"tol", "1e-9"}});
  const double whole = std::acos(cosine_of(example.models[0], example.models[1]));
  EXPECT_NEAR(std::acos(cosine_of(mean, example.models[0])), 0.75 * whole, 1e-5);
}

TEST(Karcher, ZeroTensorsHaveNoDirection) {
  const Example example = {.shape = {2}, .models = {{0, 0}, {3, 4}}};
  // The direction of the other, at the mean of the lengths 0 and 5.
  const Values mean = merged("karcher", example, {});
  EXPECT_NEAR(mean[0], 1.5, 1e-6);
  EXPECT_NEAR(mean[1], 2, 1e-6);
  EXPECT_EQ(merged("karcher", {.shape = {2}, .models = {{0, 0}, {0, 0}}}, {}), (Values{0, 0}));
}

TEST(Karcher, OppositeModelsGiveNoNan) {
  const Values mean = merged("karcher", {.shape = {2}, .models = {{3, 4}, {-3, -4}}}, {});
  EXPECT_NEAR(length_of(mean), 5, 1e-6);
}

TEST(Karcher, RefusesWeightsThatAreNegativeOrAllZero) {
  EXPECT_THROW(merged("karcher", directions(2), {{"weight", "1,-0.5"}}), Error);
  EXPECT_THROW(merged("karcher", directions(2), {{"weight", "0"}}), Error);
}

}  // namespace
}  // namespace demix
