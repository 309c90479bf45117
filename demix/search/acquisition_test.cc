#include "demix/search/acquisition.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/error.h"
#include "demix/core/mixture.h"

namespace demix {
namespace {

TEST(Acquisition, ExpectedImprovementIsThatOfANormal) {
  EXPECT_NEAR(expected_improvement(1, 2, 1), 2 / std::sqrt(2 * M_PI), 1e-12);
  EXPECT_NEAR(expected_improvement(3, 1e-9, 1), 2, 1e-9);
  EXPECT_EQ(expected_improvement(0, 0, 1), 0);
  // ∫ max(x - 1, 0) φ(x) dx = φ(1) - (1 - Φ(1)) = 0.083315
  EXPECT_NEAR(expected_improvement(0, 1, 1), 0.0833154705876, 1e-10);
  EXPECT_GE(expected_improvement(0, 1, 40), 0);
}

// Two shares in steps of a tenth.
Points line() {
  Points points(2);
  for (int i = 0; i <= 10; ++i) points.add(std::vector<double>{i / 10.0, 1 - i / 10.0});
  return points;
}

TEST(Acquisition, OfEqualMeansTheLessKnownIsChosen) {
  std::vector<GoalForecast> forecasts(11, {0, 0.1});
  forecasts[4].uncertainty = 0.3;
  EXPECT_EQ(choose_batch({}, line(), forecasts, 0, 1, 0.01), (std::vector<size_t>{4}));
  forecasts[8] = {0.25, 0.05};
  EXPECT_EQ(choose_batch({}, line(), forecasts, 0, 1, 0.01), (std::vector<size_t>{8}));
  AcquisitionConfig bound{.rule = "upper_confidence", .confidence = 2};
  EXPECT_EQ(choose_batch(bound, line(), forecasts, 0, 1, 0.01), (std::vector<size_t>{4}));
}

TEST(Acquisition, ABatchSpreads) {
  const std::vector<GoalForecast> forecasts(11, {0, 0.1});
  const Points points = line();
  const auto batch = choose_batch({}, points, forecasts, 0, 3, 0.01);
  ASSERT_EQ(batch.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < i; ++j)
      EXPECT_GE(l1_distance(points.row(batch[i]), points.row(batch[j])), 0.9);
  }
}

TEST(Acquisition, RowsThatBreakFloorsAndRepeatsAreLeftOut) {
  std::vector<GoalForecast> forecasts(11, {0, 0.1});
  forecasts[0].mean = -INFINITY;
  EXPECT_EQ(choose_batch({}, line(), forecasts, 0, 100, 0.01).size(), 10u);
  EXPECT_EQ(choose_batch({}, line(), forecasts, 0, 100, 3).size(), 1u);
  EXPECT_THROW(AcquisitionConfig{.rule = "luck"}.check(), Error);
}

}  // namespace
}  // namespace demix
