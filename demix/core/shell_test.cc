#include "demix/core/shell.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

int status_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(Shell, BothOutputsGoIntoTheLogWhichIsBegunAnewOrAppendedTo) {
  const TemporaryFolder folder;
  const std::filesystem::path log = folder / "log";
  status_of(start_shell("echo one; echo two >&2", log, {}));
  EXPECT_EQ(read_file(log), "one\ntwo\n");
  status_of(start_shell("echo three", log, {.append = true}));
  EXPECT_EQ(read_file(log), "one\ntwo\nthree\n");
  status_of(start_shell("cat", log, {}));  // nothing to read, so it ends
  EXPECT_EQ(read_file(log), "");
}

TEST(Shell, LeadsAGroupOfItsOwnWhereAsked) {
  const TemporaryFolder folder;
  const pid_t alone = start_shell("sleep 5", folder / "a", {.own_group = true});
  EXPECT_EQ(::getpgid(alone), alone);
  ::kill(-alone, SIGKILL);
  status_of(alone);
  const pid_t among_us = start_shell("exit 3", folder / "b", {});
  EXPECT_EQ(WEXITSTATUS(status_of(among_us)), 3);
}

TEST(Shell, ALogThatCannotBeWrittenIsNamed) {
  const TemporaryFolder folder;
  try {
    start_shell("true", folder / "missing/log", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("missing/log cannot be written"), std::string::npos);
  }
}

}  // namespace
}  // namespace demix
