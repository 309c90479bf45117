#include "demix/merge/update_statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/rng.h"

namespace demix {
namespace {

std::vector<float> draws(int64_t count, int seed, double scale = 1) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(scale * rng.normal());
  return values;
}

TEST(UpdateStatistics, EqualTheDefinitionsInDoublePrecision) {
  constexpr int64_t kCount = 3001;  // blocks and a tail
  const std::vector<float> base = draws(kCount, 1);
  std::vector<std::vector<float>> models;
  std::vector<const float*> pointers;
  for (int k = 0; k < 7; ++k) {
    models.push_back(draws(kCount, 10 + k, 0.1));
    for (int64_t i = 0; i < kCount; ++i) models[k][i] += base[i];
  }
  for (const auto& model : models) pointers.push_back(model.data());
  UpdateStatistics whole(7, true), lengths(7, false), first(7, true), rest(7, true);
  whole.add(base.data(), pointers, kCount);
  lengths.add(base.data(), pointers, kCount);
  first.add(base.data(), pointers, 700);
  for (const float*& pointer : pointers) pointer += 700;
  rest.add(base.data() + 700, pointers, kCount - 700);
  first.add(rest);

  const auto dot = [&](size_t k, size_t l) {
    double sum = 0;
    for (int64_t i = 0; i < kCount; ++i)
      sum += (double{models[k][i]} - base[i]) * (double{models[l][i]} - base[i]);
    return sum;
  };
  double base_square = 0;
  for (const float x : base) base_square += double{x} * x;
  EXPECT_NEAR(whole.base_norm(), std::sqrt(base_square), 1e-5 * whole.base_norm());
  for (size_t k = 0; k < 7; ++k) {
    double square = 0;
    for (const float x : models[k]) square += double{x} * x;
    const double drift = std::sqrt(dot(k, k)) / (std::sqrt(square) + std::sqrt(base_square));
    for (const UpdateStatistics* statistics : {&whole, &lengths, &first})
      EXPECT_NEAR(statistics->drift(k), drift, 1e-5 * drift);
    for (size_t l = 0; l < 7; ++l) {
      const double expected = dot(k, l) / std::sqrt(dot(k, k) * dot(l, l));
      EXPECT_NEAR(whole.cosine(k, l), expected, 1e-5);
      EXPECT_NEAR(first.cosine(k, l), expected, 1e-5);
    }
  }
}

TEST(UpdateStatistics, UnrelatedModelsHaveADriftOfOneOverRootTwo) {
  const auto base = draws(100'000, 1), model = draws(100'000, 2);
  UpdateStatistics statistics(1, true);
  statistics.add(base.data(), std::vector{model.data()}, 100'000);
  EXPECT_NEAR(statistics.drift(0), 1 / std::sqrt(2.0), 0.01);
}

TEST(UpdateStatistics, ModelsThatAreTheBaseHaveNoDriftAndNoDirection) {
  const std::vector<float> zero(10);
  UpdateStatistics statistics(2, true);
  statistics.add(zero.data(), std::vector{zero.data(), zero.data()}, 10);
  EXPECT_EQ(statistics.drift(0), 0);
  EXPECT_EQ(statistics.cosine(0, 1), 0);
}

}  // namespace
}  // namespace demix
