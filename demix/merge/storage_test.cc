#include "demix/merge/storage.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "tests/message_of.h"

namespace demix {
namespace {

constexpr int64_t kGB = 1'000'000'000;

// Seven components of 1.7 billion numbers: 54 GB as float32, 27 GB as bfloat16.
StorageNeed need(bool bfloat16_files = false) {
  StorageNeed need;
  need.models = 8;
  need.numbers = 1'700'000'000;
  need.bfloat16_files = bfloat16_files;
  need.proxy_bytes = 3'400'000'000;
  return need;
}

FreeBytes free_bytes(int64_t memory_gb, std::optional<int64_t> device_gb = std::nullopt) {
  FreeBytes free;
  free.memory = memory_gb * kGB;
  free.disk = 1000 * kGB;
  if (device_gb) free.device = *device_gb * kGB;
  return free;
}

TEST(Storage, IsFloat32InMemoryWhereThatFits) {
  const Storage storage = choose_storage(need(), free_bytes(200), {});
  EXPECT_EQ(storage.place, Place::kMemory);
  EXPECT_FALSE(storage.bfloat16);
  EXPECT_EQ(storage.bytes, 54'400'000'000);
  EXPECT_EQ(storage.proxies, 8);
  EXPECT_EQ(storage.words,
            "base and 7 components as float32 in memory: 54.4 GB of 200.0 GB that are free there; "
            "8 proxies are merged at once");
}

TEST(Storage, KeepsBfloat16FilesAsTheyAreAndRoundsOthersOnlyWhenAsked) {
  EXPECT_TRUE(choose_storage(need(true), free_bytes(200), {}).bfloat16);
  EXPECT_FALSE(choose_storage(need(true), free_bytes(200), {"auto", "float32"}).bfloat16);
  const Storage rounded = choose_storage(need(), free_bytes(40), {"auto", "bfloat16"});
  EXPECT_TRUE(rounded.bfloat16);
  EXPECT_EQ(rounded.place, Place::kMemory);
  const Storage exact = choose_storage(need(), free_bytes(40), {});
  EXPECT_FALSE(exact.bfloat16);
  EXPECT_EQ(exact.place, Place::kDisk);
  EXPECT_MENTIONS(exact.words, "merge.dtype");
}

TEST(Storage, LeavesAnEighthAndRoomForAProxy) {
  // 54.4 + 3.4 GB are 7/8 of 66.06 GB.
  EXPECT_EQ(choose_storage(need(), free_bytes(66), {}).place, Place::kDisk);
  EXPECT_EQ(choose_storage(need(), free_bytes(67), {}).place, Place::kMemory);
  EXPECT_EQ(choose_storage(need(), free_bytes(67), {}).proxies, 1);
  StorageNeed with_scratch = need();
  with_scratch.scratch_bytes = 2 * kGB;
  EXPECT_EQ(choose_storage(with_scratch, free_bytes(67), {}).place, Place::kDisk);
}

TEST(Storage, PrefersTheDeviceAndMergesInMemoryForItOtherwise) {
  EXPECT_EQ(choose_storage(need(), free_bytes(200, 80), {}).place, Place::kDevice);
  EXPECT_EQ(choose_storage(need(), free_bytes(200, 24), {}).place, Place::kMemory);
  EXPECT_EQ(choose_storage(need(true), free_bytes(30, 24), {}).place, Place::kDisk);
  StorageNeed not_there = need();
  not_there.on_device = false;
  EXPECT_EQ(choose_storage(not_there, free_bytes(200, 80), {}).place, Place::kMemory);
}

TEST(Storage, SharesAQuarterOfWhatIsLeftAmongTheProxies) {
  // 7/8 · 120 − 54.4 = 50.6 GB are left, a quarter of it holds three proxies.
  EXPECT_EQ(choose_storage(need(), free_bytes(120), {}).proxies, 3);
  // Components on the disk leave the memory to the proxies.
  EXPECT_EQ(choose_storage(need(), free_bytes(120), {"disk", "auto"}).proxies, 7);
}

std::string error_of(const StorageNeed& need, const FreeBytes& free, const StorageConfig& config) {
  try {
    choose_storage(need, free, config);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Storage, SaysWhatWasNeededAndWhatThereIs) {
  const std::string error = error_of(need(), free_bytes(40), {"memory", "auto"});
  EXPECT_MENTIONS(error, "54.4 GB");
  EXPECT_MENTIONS(error, "in memory 40.0 GB are free");
  EXPECT_MENTIONS(error, "merge.dtype: bfloat16");
  FreeBytes little = free_bytes(4);
  little.disk = kGB;
  EXPECT_MENTIONS(error_of(need(), little, {}), "on the disk 1000 MB are free");
  EXPECT_MENTIONS(error_of(need(), free_bytes(200), {"device", "auto"}), "has no device");
  EXPECT_MENTIONS(error_of(need(), free_bytes(200), {"attic", "auto"}), "'attic'");
  EXPECT_MENTIONS(error_of(need(), free_bytes(200), {"auto", "int4"}), "'int4'");
}

}  // namespace
}  // namespace demix
