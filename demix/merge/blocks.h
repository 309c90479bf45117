// Passes over a tensor in pieces, for one or more threads. What a pass computes never depends on
// the number of threads: pieces are the same for any number, and sums are kept per piece and added
// in order.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace demix {

// A thread takes a part at a time and works through it in blocks that stay in the first-level
// cache. Both are even and multiples of the vector length.
constexpr int64_t kPart = 1 << 16;
constexpr int64_t kBlock = 2048;

inline int64_t part_count(int64_t count) { return (count + kPart - 1) / kPart; }

// Calls work(thread, item) for items 0 … items-1, in no particular order, on at most `threads`
// threads numbered from 0. The first exception ends everything and is thrown here.
template <typename Work>
void for_each_item(int64_t items, int threads, const Work& work) {
  const int used = static_cast<int>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(items, 1)));
  std::atomic<int64_t> next = 0;
  std::exception_ptr failure;
  std::once_flag failed;
  const auto run = [&](int thread) {
    try {
      for (int64_t item; (item = next.fetch_add(1)) < items;) work(thread, item);
    } catch (...) {
      std::call_once(failed, [&] { failure = std::current_exception(); });
      next = items;
    }
  };
  {
    std::vector<std::jthread> others;
    for (int thread = 1; thread < used; ++thread) others.emplace_back(run, thread);
    run(0);
  }
  if (failure) std::rethrow_exception(failure);
}

// Calls work(thread, part, begin, size) for blocks that cover [0, count); the blocks of one part in
// order, by one thread. `block` is at most kPart, and divides it.
template <typename Work>
void for_each_block(int64_t count, int64_t block, int threads, const Work& work) {
  for_each_item(part_count(count), threads, [&](int thread, int64_t part) {
    const int64_t end = std::min(count, (part + 1) * kPart);
    for (int64_t begin = part * kPart; begin < end; begin += block) {
      work(thread, part, begin, std::min(block, end - begin));
    }
  });
}

}  // namespace demix
