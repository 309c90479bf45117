#include "demix/core/memory_folder.h"

#include <gtest/gtest.h>

#include "demix/core/files.h"

namespace demix {
namespace {

TEST(MemoryFolder, IsGoneWithAllThatLiesInIt) {
  std::filesystem::path path;
  {
    const MemoryFolder folder(1000);
    path = folder.path();
    std::filesystem::create_directories(path / "model");
    write_file(path / "model/weights", "text", false);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(MemoryFolder, WhatDoesNotFitIntoMemoryLiesInTheTemporaryFolder) {
  const MemoryFolder folder(int64_t{1} << 60);
  EXPECT_EQ(folder.path().parent_path(), std::filesystem::temp_directory_path());
}

}  // namespace
}  // namespace demix
