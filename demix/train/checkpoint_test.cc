#include "demix/train/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>

#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/train/pico.h"

namespace demix {
namespace {

struct Buffers {
  std::vector<float> weights, mean, variance;
  TrainTensors tensors() { return {weights, mean, variance}; }
  bool operator==(const Buffers&) const = default;
};

class CheckpointFile : public testing::Test {
 protected:
  CheckpointFile() { write_checkpoint(path_, "key", state_, saved_.tensors()); }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "checkpoint.safetensors";
  TrainState state_{.step = 2, .seconds = 1.25, .losses = {4.5, 0.1 + 0.2}};
  Buffers saved_{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
  Buffers read_{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
};

TEST_F(CheckpointFile, IsReadAsItWasWritten) {
  const auto state = read_checkpoint(path_, "key", read_.tensors());
  ASSERT_TRUE(state);
  EXPECT_EQ(state->step, 2);
  EXPECT_EQ(state->seconds, 1.25);
  EXPECT_EQ(state->losses, state_.losses);
  EXPECT_EQ(read_, saved_);
}

TEST_F(CheckpointFile, OfAnotherKeyIsNotUsedAndSaid) {
  EXPECT_FALSE(read_checkpoint(path_, "other key", read_.tensors()));
  EXPECT_EQ(read_.weights, std::vector<float>(3));
  EXPECT_NE(warnings().back().find("another configuration"), std::string::npos);
}

TEST_F(CheckpointFile, OfAnotherSizeIsNotUsed) {
  read_.mean.resize(4);
  EXPECT_FALSE(read_checkpoint(path_, "key", read_.tensors()));
}

TEST_F(CheckpointFile, DamagedAnywhereIsNotUsedAndLeavesTheTensorsAlone) {
  const std::string whole = read_file(path_);
  for (size_t i = 0; i < whole.size(); i += 7) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x11);
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << damaged;
    const auto state = read_checkpoint(path_, "key", read_.tensors());
    // Only the time spent is not protected; everything else is.
    if (state) {
      EXPECT_EQ(read_, saved_) << "byte " << i;
      EXPECT_EQ(state->losses, state_.losses);
      read_ = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
    }
    EXPECT_EQ(read_.weights, std::vector<float>(3)) << "byte " << i;
  }
  for (size_t size = 0; size < whole.size(); size += 11) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
    EXPECT_FALSE(read_checkpoint(path_, "key", read_.tensors())) << size << " bytes";
  }
}

TEST_F(CheckpointFile, MissingGivesNothing) {
  std::filesystem::remove(path_);
  EXPECT_FALSE(read_checkpoint(path_, "key", read_.tensors()));
}

}  // namespace
}  // namespace demix
