#include "demix/merge/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "demix/core/rng.h"

namespace demix {
namespace {

// Sizes around the vector length: the tails are where loops go wrong.
TEST(MergeKernels, SumsCoverEveryElementOfAnySize) {
  Rng rng(4);
  for (int64_t size = 0; size < 70; ++size) {
    std::vector<float> a(size), b(size);
    double products = 0, magnitude = 0;
    float largest = 0;
    for (int64_t i = 0; i < size; ++i) {
      a[i] = static_cast<float>(rng.normal());
      b[i] = static_cast<float>(rng.normal());
      products += double{a[i]} * b[i];
      magnitude += std::abs(a[i]);
      largest = std::max(largest, std::abs(a[i]));
    }
    EXPECT_NEAR(dot(a.data(), b.data(), size), products, 1e-13);
    EXPECT_NEAR(sum_of_magnitudes(a.data(), size), magnitude, 1e-5);
    EXPECT_EQ(largest_magnitude(a.data(), size), largest);
  }
}

TEST(MergeKernels, ProductsOfOppositeVectorsCancelExactly) {
  Rng rng(5);
  std::vector<float> a(1000), b(1000);
  for (int i = 0; i < 1000; ++i) {
    a[i] = static_cast<float>(rng.normal());
    b[i] = -a[i];
  }
  EXPECT_EQ(dot(a.data(), b.data(), 1000) + dot(a.data(), a.data(), 1000), 0);
}

TEST(MergeKernels, VarianceIsZeroOnlyWhereAllUpdatesAreTheSame) {
  const std::vector<float> base = {1, 1, 0.1F}, a = {2, 1.1F, 0.3F}, b = {4, 1.1F, 0.3F},
                           c = {6, 1.1F, 0.3F};
  const std::vector<const float*> models = {a.data(), b.data(), c.data()};
  std::vector<float> variance(3);
  variance_of_updates(models, base.data(), 0, 3, variance.data());
  EXPECT_NEAR(variance[0], 8.0 / 3, 1e-6);
  EXPECT_EQ(variance[1], 0);
  EXPECT_EQ(variance[2], 0);
}

TEST(MergeKernels, DroppingKeepsNanInSight) {
  std::vector<float> values = {1, NAN, -3, INFINITY};
  keep_between(0, 1, 4, values.data());
  EXPECT_EQ(values[0], 0);
  EXPECT_TRUE(std::isnan(values[1]));
  EXPECT_EQ(values[2], 0);
  EXPECT_TRUE(std::isnan(values[3]));
}

}  // namespace
}  // namespace demix
