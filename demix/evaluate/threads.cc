#include "demix/evaluate/threads.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace demix {

// ATen's own parallel_for would need this file compiled with OpenMP, and a second OpenMP runtime
// beside that of the wheel.
void in_single_threads(size_t count, const std::function<Work()>& make_work) {
  const int threads = at::get_num_threads();
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto take = [&] {
    at::set_num_threads(1);  // of this thread, and of threads that begin later
    try {
      const Work work = make_work();
      for (size_t i; (i = next.fetch_add(1)) < count;) work(i);
    } catch (...) {
      const std::lock_guard lock(failing);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> workers;
    for (size_t i = 0; i < std::min<size_t>(threads, count); ++i) workers.emplace_back(take);
  }
  at::set_num_threads(threads);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace demix
