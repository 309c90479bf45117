#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/train/trainer.h"

namespace demix {
namespace {

TEST(Schedule, WarmUpRisesLinearlyToThePeak) {
  const ScheduleConfig schedule{.kind = "constant", .warmup = 0.4};
  EXPECT_DOUBLE_EQ(schedule_factor(schedule, 0, 10), 0.25);
  EXPECT_DOUBLE_EQ(schedule_factor(schedule, 2, 10), 0.75);
  EXPECT_DOUBLE_EQ(schedule_factor(schedule, 3, 10), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(schedule, 9, 10), 1);
}

TEST(Schedule, CosineEndsAtTheFloorAndIsHalfWayInTheMiddle) {
  const ScheduleConfig schedule{.kind = "cosine", .warmup = 0, .floor = 0.2};
  EXPECT_DOUBLE_EQ(schedule_factor(schedule, 9, 10), 0.2);
  EXPECT_NEAR(schedule_factor(schedule, 4, 10), 0.6, 1e-15);
  EXPECT_LT(schedule_factor(schedule, 0, 10), 1);
}

TEST(Schedule, WsdIsFlatUntilItsLinearDecay) {
  const ScheduleConfig schedule{.kind = "wsd", .warmup = 0.1, .floor = 0, .decay = 0.4};
  for (int64_t step = 0; step < 6; ++step) EXPECT_DOUBLE_EQ(schedule_factor(schedule, step, 10), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(schedule, 6, 10), 0.75);
  EXPECT_DOUBLE_EQ(schedule_factor(schedule, 9, 10), 0);
}

TEST(Schedule, OneStepIsAllowed) {
  for (const char* kind : {"cosine", "constant", "wsd"}) {
    const double factor = schedule_factor({.kind = kind}, 0, 1);
    EXPECT_GE(factor, 0) << kind;
    EXPECT_LE(factor, 1) << kind;
  }
}

TEST(TrainConfig, RefusesWhatCannotBeTrainedByName) {
  const auto message = [](auto change) {
    TrainConfig config;
    change(config);
    try {
      config.check();
      config.schedule.check();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message([](TrainConfig&) {}), "");
  EXPECT_NE(message([](TrainConfig& c) { c.learning_rate = 0; }).find("learning_rate"),
            std::string::npos);
  EXPECT_NE(message([](TrainConfig& c) { c.beta2 = 1; }).find("beta2"), std::string::npos);
  EXPECT_NE(message([](TrainConfig& c) { c.dtype = "float16"; }).find("float16"),
            std::string::npos);
  EXPECT_NE(message([](TrainConfig& c) { c.schedule.kind = "cosin"; }).find("cosin"),
            std::string::npos);
  EXPECT_NE(message([](TrainConfig& c) { c.rows_per_step = 0; }).find("rows_per_step"),
            std::string::npos);
}

}  // namespace
}  // namespace demix
