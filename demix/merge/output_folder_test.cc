#include "demix/merge/output_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

std::string refusal(const fs::path& folder) {
  try {
    OutputFolder output(folder, false);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(OutputFolder, AppearsWhenCommittedWithAllItsFiles) {
  const TemporaryFolder folder;
  for (const bool sync : {false, true}) {
    const fs::path path = folder.path() / "a" / (sync ? "synced" : "plain");
    OutputFolder output(path, sync);
    write_file_atomically(output.partial() / "x", "1");
    EXPECT_FALSE(fs::exists(path));
    output.commit();
    EXPECT_EQ(read_file(path / "x"), "1");
    EXPECT_FALSE(fs::exists(output.partial()));
  }
}

TEST(OutputFolder, LeavesNothingWithoutCommit) {
  const TemporaryFolder folder;
  {
    OutputFolder output(folder / "out", false);
    write_file_atomically(output.partial() / "x", "1");
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(OutputFolder, MayBeAnEmptyFolderOrALinkToOneInManySpellings) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "empty");
  fs::create_directory_symlink(folder / "empty", folder / "link");
  for (const char* name : {"empty", "empty/", "link", "x/../empty"}) {
    fs::create_directory(folder / "x");
    OutputFolder output(folder / name, false);
    EXPECT_EQ(output.partial(), fs::canonical(folder.path()) / "empty.demix-partial") << name;
    output.commit();
    EXPECT_TRUE(fs::is_directory(folder / "empty"));
  }
}

TEST(OutputFolder, WhatIsInTheWayIsNotTouched) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "full");
  folder.write("full/x", "1");
  folder.write("file", "2");
  EXPECT_NE(refusal(folder / "full").find("not empty"), std::string::npos);
  EXPECT_NE(refusal(folder / "file").find("is a file"), std::string::npos);
  folder.write("out.demix-partial", "3");
  EXPECT_NE(refusal(folder / "out").find("in the way"), std::string::npos);
  EXPECT_EQ(folder.read("full/x") + folder.read("file") + folder.read("out.demix-partial"), "123");
}

TEST(OutputFolder, FilledByOthersInTheMeantimeIsNotReplaced) {
  const TemporaryFolder folder;
  OutputFolder output(folder / "out", false);
  write_file_atomically(output.partial() / "x", "mine");
  fs::create_directory(folder / "out");
  folder.write("out/y", "theirs");
  EXPECT_THROW(output.commit(), Error);
  EXPECT_EQ(folder.read("out/y"), "theirs");
}

TEST(OutputFolder, ASecondWriterIsRefusedAndAKilledOnesLeftoversAreRemoved) {
  const TemporaryFolder folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    OutputFolder output(folder / "out", false);
    write_file_atomically(output.partial() / "half", "x");
    (void)!::write(ready[1], "r", 1);
    for (;;) ::pause();
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_NE(refusal(folder / "out").find("another process"), std::string::npos);
  EXPECT_TRUE(fs::exists(folder / "out.demix-partial/half"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  OutputFolder output(folder / "out", false);
  EXPECT_TRUE(fs::is_empty(output.partial()));
  output.commit();
  EXPECT_TRUE(fs::is_empty(folder / "out"));
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace demix
