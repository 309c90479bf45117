#include "demix/core/at_end.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/temporary_folder.h"

namespace demix {
namespace {

TEST(AtEnd, RunsTheScriptWhenTheObjectGoes) {
  const TemporaryFolder folder;
  const auto path = folder.write("it's here", "text");
  {
    const AtEnd removal("rm -- \"$1\"", {path.string()});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(AtEnd, RunsTheScriptWhenTheProcessIsKilled) {
  const TemporaryFolder folder;
  const auto path = folder.write("a", "text");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const AtEnd removal("rm -- \"$1\"", {path.string()});
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  for (int i = 0; i < 500 && std::filesystem::exists(path); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace demix
