#include "demix/run/workspace.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

class WorkspaceTest : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  static RunConfig config(uint64_t seed) {
    RunConfig config;
    config.seed = seed;
    config.tokenizer = "t";
    return config;
  }
  const fs::path folder_ = fs::path(testing::TempDir()) / "workspace_test";
};

TEST_F(WorkspaceTest, TheSameConfigurationTakesUpTheFolder) {
  {
    Workspace first(config(1), folder_);
  }
  EXPECT_NO_THROW(Workspace(config(1), folder_));
  EXPECT_TRUE(fs::exists(folder_ / "config.yaml"));
}

TEST_F(WorkspaceTest, AnotherConfigurationIsRefusedWithTheFirstDifference) {
  {
    Workspace first(config(1), folder_);
  }
  try {
    Workspace second(config(2), folder_);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what())
                  .find("line 1: the folder has 'seed: 1', this configuration 'seed: 2'"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(WorkspaceTest, StageClockAccumulatesOverResumes) {
  double before = 0;
  {
    Workspace workspace(config(1), folder_);
    {
      StageClock clock(workspace.journal(), "search");
    }
    before = workspace.journal().seconds("search");
  }
  Workspace workspace(config(1), folder_);
  {
    StageClock clock(workspace.journal(), "search");
  }
  EXPECT_GT(workspace.journal().seconds("search"), before);
}

}  // namespace
}  // namespace demix
