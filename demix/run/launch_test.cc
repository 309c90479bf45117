#include "demix/run/launch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "tests/message_of.h"

namespace demix {
namespace {

class LaunchOfEnvironment : public testing::Test {
 protected:
  void set(const std::map<std::string, std::string>& variables) {
    for (const char* name : {"RANK",
                             "WORLD_SIZE",
                             "LOCAL_RANK",
                             "SLURM_PROCID",
                             "SLURM_STEP_NUM_TASKS",
                             "SLURM_LOCALID"})
      unsetenv(name);
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  }
  void TearDown() override { set({}); }
};

TEST_F(LaunchOfEnvironment, IsNothingForOneProcess) {
  set({});
  EXPECT_FALSE(launch_of_environment());
  set({{"RANK", "0"}, {"WORLD_SIZE", "1"}});
  EXPECT_FALSE(launch_of_environment());
  // The script of a job of many tasks, which is no step.
  set({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}});
  EXPECT_FALSE(launch_of_environment());
}

TEST_F(LaunchOfEnvironment, IsThatOfTorchrunOrSlurm) {
  set({{"RANK", "0"}, {"WORLD_SIZE", "3"}, {"LOCAL_RANK", "0"}});
  EXPECT_FALSE(launch_of_environment()->is_worker());
  EXPECT_EQ(launch_of_environment()->processes, 3);
  set({{"SLURM_PROCID", "5"}, {"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_LOCALID", "1"}});
  const auto launch = launch_of_environment();
  EXPECT_TRUE(launch->is_worker());
  EXPECT_EQ(launch->local_rank, 1);
}

TEST_F(LaunchOfEnvironment, RefusesWhatIsNoNumber) {
  set({{"RANK", "first"}, {"WORLD_SIZE", "3"}});
  EXPECT_MENTIONS(message_of(launch_of_environment), "RANK is 'first'");
  set({{"RANK", "3"}, {"WORLD_SIZE", "3"}});
  EXPECT_MENTIONS(message_of(launch_of_environment), "RANK is 3, but WORLD_SIZE is 3");
}

}  // namespace
}  // namespace demix
