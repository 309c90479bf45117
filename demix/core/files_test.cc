#include "demix/core/files.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

TEST(Files, WhatIsWrittenIsReadAndNoTemporaryFileStays) {
  const fs::path folder = fs::path(testing::TempDir()) / "files_test";
  fs::create_directories(folder);
  const std::string text("a\0b\n", 4);
  write_file_atomically(folder / "x", text);
  write_file_atomically(folder / "x", text);
  EXPECT_EQ(read_file(folder / "x"), text);
  EXPECT_FALSE(fs::exists(folder / "x.partial"));
  fs::remove_all(folder);
}

TEST(Files, AMissingFileAndAFolderAreErrorsThatNameThePath) {
  EXPECT_THROW(read_file("/nonexistent/file"), Error);
  EXPECT_THROW(read_file("/"), Error);
  EXPECT_THROW(write_file_atomically("/nonexistent/file", "x"), Error);
}

TEST(Files, AnAtomicFileAppearsOnlyWhenCommitted) {
  const fs::path folder = fs::path(testing::TempDir()) / "atomic_file_test";
  fs::create_directories(folder);
  {
    AtomicFile abandoned(folder / "x");
    abandoned.write("half");
  }
  EXPECT_TRUE(fs::is_empty(folder));
  AtomicFile file(folder / "x");
  file.write("????rest");
  file.overwrite(0, "head", 4);
  EXPECT_FALSE(fs::exists(folder / "x"));
  file.commit();
  EXPECT_EQ(read_file(folder / "x"), "headrest");
  const MappedFile mapped(folder / "x");
  EXPECT_EQ(mapped.bytes().size(), 8u);
  EXPECT_EQ(static_cast<char>(mapped.bytes()[4]), 'r');
  fs::remove_all(folder);
}

TEST(Files, AFullDiskIsNamed) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  // The partial file is a link to the device that is always full.
  const fs::path folder = fs::path(testing::TempDir()) / "full_disk_test";
  fs::create_directories(folder);
  fs::create_symlink("/dev/full", folder / "x.partial");
  try {
    write_file_atomically(folder / "x", "text");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("disk is full"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(fs::exists(folder / "x"));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace demix
