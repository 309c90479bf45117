#include "demix/core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace demix {
namespace {

std::optional<int64_t> counted(int64_t& next, int64_t end) {
  return next < end ? std::optional(next++) : std::nullopt;
}

TEST(ParallelInOrder, ItemsAreConsumedInTheOrderOfProductionWithAnyNumberOfThreads) {
  for (int threads : {1, 2, 5}) {
    int64_t next = 0;
    std::vector<int64_t> consumed;
    parallel_in_order(
        threads,
        [&] { return counted(next, 200); },
        [](int64_t& item) {
          if (item % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
          item *= 10;
        },
        [&](int64_t& item) { consumed.push_back(item); });
    ASSERT_EQ(consumed.size(), 200u);
    for (size_t i = 0; i < 200; ++i) EXPECT_EQ(consumed[i], static_cast<int64_t>(10 * i));
  }
}

TEST(ParallelInOrder, FewItemsExistAtOnceEvenWhenOneIsSlow) {
  int64_t next = 0;
  std::atomic<int64_t> alive{0}, most{0};
  parallel_in_order(
      3,
      [&] {
        const auto item = counted(next, 100);
        if (item && ++alive > most) most = alive.load();
        return item;
      },
      [](int64_t& item) {
        if (item == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      },
      [&](int64_t&) { --alive; });
  EXPECT_LE(most, 12);
  EXPECT_EQ(alive, 0);
}

TEST(ParallelInOrder, AnExceptionOfAnyPartEndsEverythingAndIsThrown) {
  for (int part = 0; part < 3; ++part) {
    int64_t next = 0;
    const auto fail_in = [&](int which, int64_t item) {
      if (which == part && item == 30) throw std::runtime_error("part " + std::to_string(part));
    };
    try {
      parallel_in_order(
          4,
          [&] {
            fail_in(0, next);
            return counted(next, 1000);
          },
          [&](int64_t& item) { fail_in(1, item); },
          [&](int64_t& item) { fail_in(2, item); });
      FAIL();
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "part " + std::to_string(part));
    }
    EXPECT_LT(next, 100);
  }
}

}  // namespace
}  // namespace demix
