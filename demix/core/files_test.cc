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
  EXPECT_FALSE(fs::exists(folder / "x.tmp"));
  fs::remove_all(folder);
}

TEST(Files, AMissingFileAndAFolderAreErrorsThatNameThePath) {
  EXPECT_THROW(read_file("/nonexistent/file"), Error);
  EXPECT_THROW(read_file("/"), Error);
  EXPECT_THROW(write_file_atomically("/nonexistent/file", "x"), Error);
}

}  // namespace
}  // namespace demix
