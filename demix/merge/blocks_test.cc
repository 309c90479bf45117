#include "demix/merge/blocks.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace demix {
namespace {

TEST(MergeBlocks, CoverEveryElementOnce) {
  for (int threads : {1, 3}) {
    for (int64_t count : {int64_t{0}, int64_t{1}, kBlock, kPart - 1, kPart, 3 * kPart + 77}) {
      std::vector<int> seen(count, 0);
      for_each_block(
          count, kBlock, threads, [&](int thread, int64_t part, int64_t begin, int64_t size) {
            EXPECT_LT(thread, threads);
            EXPECT_EQ(part, begin / kPart);
            for (int64_t i = begin; i < begin + size; ++i) ++seen[i];
          });
      EXPECT_EQ(seen, std::vector<int>(count, 1));
    }
  }
}

TEST(MergeBlocks, TheFirstExceptionIsThrownToTheCaller) {
  for (int threads : {1, 3}) {
    EXPECT_THROW(for_each_item(1000,
                               threads,
                               [](int, int64_t item) {
                                 if (item == 500) throw std::runtime_error("item");
                               }),
                 std::runtime_error);
  }
}

}  // namespace
}  // namespace demix
