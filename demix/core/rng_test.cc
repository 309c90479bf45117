#include "demix/core/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace demix {
namespace {

TEST(Rng, SameSeedAndNameGiveTheSameNumbers) {
  EXPECT_EQ(Rng(7).stream("sampler", 2).next(), Rng(7).stream("sampler", 2).next());
  EXPECT_NE(Rng(7).stream("sampler", 2).next(), Rng(7).stream("sampler", 3).next());
  EXPECT_NE(Rng(7).stream("sampler", 2).next(), Rng(8).stream("sampler", 2).next());
}

TEST(Rng, StreamsDoNotDependOnEarlierDraws) {
  Rng used(7);
  used.next();
  EXPECT_EQ(used.stream("a").next(), Rng(7).stream("a").next());
}

TEST(Rng, GammaHasMeanAndVarianceEqualToItsShape) {
  for (double shape : {0.3, 1.0, 4.5}) {
    Rng rng(1);
    constexpr int kDraws = 200000;
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double x = rng.gamma(shape);
      sum += x;
      squares += x * x;
    }
    const double mean = sum / kDraws, variance = squares / kDraws - mean * mean;
    EXPECT_NEAR(mean, shape, 5 * std::sqrt(shape / kDraws)) << shape;
    EXPECT_NEAR(variance, shape, 0.05 * shape) << shape;
  }
}

TEST(Rng, DirichletSumsToOneAndHasTheExpectedMean) {
  Rng rng(3);
  const std::vector<double> concentrations = {0.5, 1.5, 2.0};
  std::vector<double> mean(3);
  constexpr int kDraws = 50000;
  for (int i = 0; i < kDraws; ++i) {
    const auto draw = rng.dirichlet(concentrations);
    EXPECT_NEAR(std::accumulate(draw.begin(), draw.end(), 0.0), 1, 1e-12);
    for (int k = 0; k < 3; ++k) mean[k] += draw[k] / kDraws;
  }
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(mean[k], concentrations[k] / 4, 0.01);
}

}  // namespace
}  // namespace demix
