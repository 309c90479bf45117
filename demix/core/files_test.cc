#include "demix/core/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

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

TEST(Files, DevicesPipesAndLinksStayWhatTheyAre) {
  const fs::path folder = fs::path(testing::TempDir()) / "files_in_place_test";
  fs::create_directories(folder);
  if (fs::exists("/dev/full")) {
    try {
      write_file_atomically("/dev/full", "x");
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("/dev/full: the disk is full"), std::string::npos);
    }
    EXPECT_TRUE(fs::is_character_file("/dev/full"));
  }
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  const int reader = open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  write_file_atomically(folder / "pipe", "through");
  char text[8] = {};
  EXPECT_EQ(read(reader, text, 7), 7);
  EXPECT_STREQ(text, "through");
  close(reader);
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));

  write_file_atomically(folder / "target", "old");
  fs::create_symlink("target", folder / "link");
  write_file_atomically(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "target"), "new");
  fs::remove_all(folder);
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
