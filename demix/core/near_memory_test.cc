#include "demix/core/near_memory.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <fstream>
#include <utility>

#include "demix/core/error.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

using List = std::vector<int>;

List our_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  List processors;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor)
    if (CPU_ISSET(processor, &set)) processors.push_back(processor);
  return processors;
}

TEST(NearMemory, ReadsProcessorLists) {
  EXPECT_EQ(parse_processor_list("0-2,5,8-9\n"), (List{0, 1, 2, 5, 8, 9}));
  EXPECT_EQ(parse_processor_list("7"), (List{7}));
  EXPECT_EQ(parse_processor_list("\n"), List{});
  for (const char* wrong : {"-1", "3-1", "a", "1-", "1,,2", "0-99999999"})
    EXPECT_EQ(parse_processor_list(wrong), List{}) << wrong;
}

TEST(NearMemory, NodesHaveTheProcessorsThatThisProcessMayUse) {
  const int first = our_processors().front();
  const TemporaryFolder folder;
  const auto write = [&](const std::string& file, const std::string& text) {
    const auto path = folder / ("sys/devices/system/node/" + file);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  };
  EXPECT_TRUE(memory_nodes(folder.path()).empty());
  write("online", "0,2-3\n");
  write("node0/cpulist", fmt::format("{},1022\n", first));
  write("node2/cpulist", "\n");  // memory alone
  write("node3/cpulist", "1021-1023\n");
  EXPECT_EQ(memory_nodes(folder.path()), (std::vector<List>{{first}}));
}

TEST(NearMemory, EveryItemIsWorkedOnOnce) {
  for (const int threads : {1, 2, 7}) {
    for (const int64_t items : {0, 1, 5, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(items));
      for_each_near_memory(
          items, threads, [&](int64_t item) { ++seen[static_cast<size_t>(item)]; });
      for (const auto& count : seen) EXPECT_EQ(count, 1);
    }
  }
}

TEST(NearMemory, EachNodeTakesItsStretchAndHelpsWhenDone) {
  const List ours = our_processors();
  const List first = {ours.front()}, second = {ours.back()};
  constexpr int64_t kItems = 101;
  std::vector<std::atomic<int>> seen(kItems);
  std::atomic<int> started = 0, wrong_node = 0;
  for_each_near_memory(kItems,
                       4,
                       [&](int64_t item) {
                         ++seen[static_cast<size_t>(item)];
                         // Each thread's first item lies in its node's half. They wait for each
                         // other, so that none is done before another begins.
                         thread_local bool is_first = true;
                         if (!std::exchange(is_first, false)) return;
                         if (sched_getcpu() != (item < kItems / 2 ? first : second)[0])
                           ++wrong_node;
                         for (++started; started < 4;) sched_yield();
                       },
                       {first, second});
  for (const auto& count : seen) EXPECT_EQ(count, 1);
  EXPECT_EQ(started, 4);
  EXPECT_EQ(wrong_node, 0);
  EXPECT_EQ(our_processors(), ours) << "the caller must not be bound";
}

TEST(NearMemory, TheFirstExceptionEndsThePass) {
  std::atomic<int> calls = 0;
  EXPECT_THROW(for_each_near_memory(1'000'000,
                                    3,
                                    [&](int64_t) {
                                      ++calls;
                                      throw Error("no");
                                    }),
               Error);
  EXPECT_LE(calls, 3);
}

}  // namespace
}  // namespace demix
