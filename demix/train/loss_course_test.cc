#include "demix/train/loss_course.h"

#include <gtest/gtest.h>

#include <fstream>

#include "demix/train/metrics.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

bool rose(std::vector<double> losses) { return loss_course(losses)->rose; }

TEST(LossCourse, IsFromTheFirstStepToTheLastOnes) {
  const auto course = loss_course(std::vector<double>{6, 5, 4, 3, 2, 1});
  EXPECT_EQ(course->first, 6);
  EXPECT_EQ(course->last, 2);
  EXPECT_FALSE(course->rose);
  EXPECT_FALSE(loss_course(std::vector<double>{6}));
}

TEST(LossCourse, RisesWhereTheRateIsFarTooHigh) {
  EXPECT_TRUE(rose({5.89, 60.8, 51.1, 33.3, 24.1})) << "400 times the rate";
  EXPECT_TRUE(rose({7.43, 38.2, 16.6, 13.1, 10.6}));
  EXPECT_TRUE(rose({5.89, 6.9, 7.2, 7.1, 7.0, 6.95, 6.9, 6.92, 6.9, 6.85, 6.87, 6.88}));
}

TEST(LossCourse, DoesNotRiseByTheDifferencesOfSteps) {
  EXPECT_FALSE(rose({5.89, 6.10, 5.99, 6.02, 5.9, 5.99})) << "the base knew the data";
  EXPECT_FALSE(rose({5.0, 6.1, 5.2, 6.3, 5.1, 6.2})) << "few tokens in each step";
}

TEST(LossCourse, IsReadFromAModelsMetrics) {
  const TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  {
    MetricsFile file(path, 0);
    file.add({.step = 1, .loss = 2.5});
    file.add({.step = 2, .loss = 2.25});
    file.add_consumed(2, {"a"}, {{10}, {0.5}});
  }
  EXPECT_EQ(read_losses(path), (std::vector<double>{2.5, 2.25}));
  EXPECT_TRUE(read_losses(folder / "none").empty());
  std::ofstream(folder / "other") << "step, loss\n1, 2\n";
  EXPECT_TRUE(read_losses(folder / "other").empty());
}

}  // namespace
}  // namespace demix
