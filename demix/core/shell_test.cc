#include "demix/core/shell.h"

#include <gtest/gtest.h>

#include <sstream>

#include "demix/core/files.h"
#include "tests/message_of.h"
#include "tests/processes.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

TEST(ExpandCommand, QuotesValuesForTheShell) {
  EXPECT_EQ(expand_command("run {name} ${{HOME}} {tokens}", {{"name", "it's"}, {"tokens", "5"}}),
            "run 'it'\\''s' ${HOME} '5'");
}

TEST(ExpandCommand, RefusesAnUnknownPlaceholderByName) {
  EXPECT_NE(message_of([] { expand_command("run {token}", {{"tokens", "5"}}); }).find("'{token}'"),
            std::string::npos);
  EXPECT_NE(message_of([] { expand_command("run {tokens", {{"tokens", "5"}}); }).find("without"),
            std::string::npos);
}

TEST(Shell, BothOutputsGoIntoTheLogWhichIsBegunAnewOrAppendedTo) {
  const TemporaryFolder folder;
  const std::filesystem::path log = folder / "log";
  run_shell("echo one; echo two >&2", log, {});
  EXPECT_EQ(read_file(log), "one\ntwo\n");
  run_shell("echo three", log, {.append = true});
  EXPECT_EQ(read_file(log), "one\ntwo\nthree\n");
  run_shell("cat", log, {});  // nothing to read, so it ends
  EXPECT_EQ(read_file(log), "");
}

TEST(Shell, HowACommandEndedIsSaidInWords) {
  const TemporaryFolder folder;
  const auto failure = [&](const std::string& command) {
    return failure_of(run_shell(command, folder / "log", {}).value());
  };
  EXPECT_EQ(failure("true"), "");
  EXPECT_EQ(failure("exit 3"), "ended with exit status 3");
  EXPECT_EQ(failure("kill -9 $$"), "was killed by signal 9");
}

TEST(Shell, AllThatACommandStartedIsKilledWhereItTakesTooLong) {
  const TemporaryFolder folder;
  const std::filesystem::path log = folder / "log";
  // The second one leads a group of its own.
  const auto status = run_shell(
      "sleep 60 & echo $!; setsid sh -c 'echo $$; exec sleep 60' & wait", log, {.seconds = 0.5});
  EXPECT_FALSE(status.has_value());
  std::istringstream processes(read_file(log));
  int count = 0;
  for (pid_t process; processes >> process; ++count) EXPECT_TRUE(ends_soon(process)) << process;
  EXPECT_EQ(count, 2);
}

TEST(Shell, WhatACommandLeavesInTheBackgroundIsKilled) {
  const TemporaryFolder folder;
  EXPECT_EQ(run_shell("sleep 60 & echo $!", folder / "log", {}), 0);
  EXPECT_TRUE(ends_soon(std::stoi(read_file(folder / "log"))));
}

TEST(Shell, TheEndOfALogIsAFewLines) {
  const TemporaryFolder folder;
  const std::filesystem::path log = folder / "log";
  std::string text;
  for (int line = 1; line <= 30; ++line) text += fmt::format("line {}\n", line);
  write_file_atomically(log, text);
  EXPECT_TRUE(log_end(log).starts_with("\nlast lines of " + log.string() + ":\nline 11\nline 12"))
      << log_end(log);
  EXPECT_TRUE(log_end(log).ends_with("line 30"));
  write_file_atomically(log, "\n");
  EXPECT_EQ(log_end(log), "\nit printed nothing (" + log.string() + ")");
}

TEST(Shell, ALogThatCannotBeWrittenIsNamed) {
  const TemporaryFolder folder;
  EXPECT_NE(message_of([&] {
              run_shell("true", folder / "missing/log", {});
            }).find("missing/log cannot be written"),
            std::string::npos);
}

}  // namespace
}  // namespace demix
