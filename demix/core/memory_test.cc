#include "demix/core/memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "demix/core/error.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// A tree with /proc and /sys in it.
class FakeRoot {
 public:
  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  int64_t available() const { return available_memory(folder_.path()); }

 private:
  TemporaryFolder folder_;
};

const char kMeminfo[] =
    "MemTotal:       8000 kB\nMemFree:         100 kB\nMemAvailable:   4000 kB\n";

TEST(AvailableMemory, IsTheKernelsEstimateWithoutGroups) {
  FakeRoot root;
  root.write("proc/meminfo", kMeminfo);
  EXPECT_EQ(root.available(), 4000 * 1024);
  root.write("proc/self/cgroup", "0::/user/app\n");
  root.write("sys/fs/cgroup/user/app/memory.max", "max\n");
  root.write("sys/fs/cgroup/user/app/memory.current", "5000000\n");
  EXPECT_EQ(root.available(), 4000 * 1024);
}

TEST(AvailableMemory, IsWhatTheTightestGroupLeaves) {
  FakeRoot root;
  root.write("proc/meminfo", kMeminfo);
  root.write("proc/self/cgroup", "0::/user/app\n");
  root.write("sys/fs/cgroup/user/app/memory.max", "3000000\n");
  root.write("sys/fs/cgroup/user/app/memory.current", "1500000\n");
  EXPECT_EQ(root.available(), 1500000);
  // Pages of files that the kernel can drop do not count as used.
  root.write("sys/fs/cgroup/user/app/memory.stat", "anon 900000\ninactive_file 400000\n");
  EXPECT_EQ(root.available(), 1900000);
  root.write("sys/fs/cgroup/user/app/memory.high", "2000000\n");
  EXPECT_EQ(root.available(), 900000);
  root.write("sys/fs/cgroup/user/memory.max", "1000000\n");
  root.write("sys/fs/cgroup/user/memory.current", "999000\n");
  EXPECT_EQ(root.available(), 1000);
  root.write("sys/fs/cgroup/user/memory.current", "1001000\n");
  EXPECT_EQ(root.available(), 0);
}

TEST(AvailableMemory, KnowsGroupsOfVersionOneAndThoseOfAContainer) {
  FakeRoot root;
  root.write("proc/meminfo", kMeminfo);
  // The host's path, which the container does not see.
  root.write("proc/self/cgroup", "5:cpuset:/\n4:memory:/docker/0123\n0::/\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "600000\n");
  root.write("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 100000\n");
  EXPECT_EQ(root.available(), 1500000);
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(root.available(), 4000 * 1024);
}

TEST(AvailableMemory, IsKnownOnThisMachine) {
  EXPECT_GT(available_memory(), 0);
  EXPECT_LT(available_memory(), int64_t{1} << 50);
}

TEST(LargeBuffer, IsZeroAndWritableInMemoryAndOnDisk) {
  const TemporaryFolder folder;
  for (const bool on_disk : {false, true}) {
    LargeBuffer buffer = on_disk ? LargeBuffer::on_disk(3'000'001, folder.path())
                                 : LargeBuffer::in_memory(3'000'001);
    ASSERT_EQ(buffer.bytes(), 3'000'001);
    const auto* end = buffer.data() + buffer.bytes();
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + buffer.bytes(), [](std::byte b) {
      return b == std::byte{0};
    }));
    std::fill(buffer.data(), buffer.data() + buffer.bytes(), std::byte{7});
    const LargeBuffer moved = std::move(buffer);
    EXPECT_EQ(moved.data() + moved.bytes(), end);
    EXPECT_EQ(moved.data()[3'000'000], std::byte{7});
    EXPECT_EQ(buffer.data(), nullptr);
    // Nothing with a name is left behind, whatever becomes of the process.
    EXPECT_TRUE(fs::is_empty(folder.path()));
  }
  EXPECT_EQ(LargeBuffer::in_memory(0).data(), nullptr);
}

TEST(LargeBuffer, MoreThanTheDiskHoldsIsAnError) {
  const TemporaryFolder folder;
  EXPECT_THROW(LargeBuffer::on_disk(int64_t{1} << 55, folder.path()), Error);
  EXPECT_THROW(LargeBuffer::on_disk(4096, folder / "missing"), Error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace demix
