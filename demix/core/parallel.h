// One sequence of items through a parallel stage, in order.
#pragma once

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace demix {

// Calls produce() until it gives nullopt, work(item) for every item on one of `threads` threads,
// and consume(item) in the order of production. Calls of produce never overlap, nor do those of
// consume, so what consume sees does not depend on the number of threads. At most 4 * threads items
// exist at once. The first exception of any of them ends everything and is thrown here.
template <typename Produce, typename Work, typename Consume>
void parallel_in_order(int threads, Produce produce, Work work, Consume consume) {
  using Item = typename decltype(produce())::value_type;
  std::mutex producing;
  std::mutex mutex;  // of all that follows; never held during a call of the three functions
  std::condition_variable changed;
  int64_t produced = 0, consumed = 0;
  bool stop = false, consuming = false;
  std::exception_ptr failure;
  std::map<int64_t, Item> finished;

  const auto run = [&] {
    for (;;) {
      std::unique_lock turn(producing);
      int64_t number = 0;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stop || produced - consumed < int64_t{4} * threads; });
        if (stop) return;
        number = produced;
      }
      std::optional<Item> item = produce();
      {
        const std::lock_guard lock(mutex);
        if (!item) stop = true;
        if (stop) break;
        ++produced;
      }
      turn.unlock();
      work(*item);

      std::unique_lock lock(mutex);
      finished.emplace(number, std::move(*item));
      // One thread at a time hands over what is ready; the others go on working.
      while (!consuming && !failure && !finished.empty() && finished.begin()->first == consumed) {
        consuming = true;
        Item next = std::move(finished.begin()->second);
        finished.erase(finished.begin());
        lock.unlock();
        consume(next);
        lock.lock();
        consuming = false;
        ++consumed;
        changed.notify_all();
      }
    }
    changed.notify_all();
  };
  const auto run_guarded = [&] {
    try {
      run();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      stop = true;
      changed.notify_all();
    }
  };
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(run_guarded);
    run_guarded();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace demix
