// One thread per tensor operation: work is spread by passes and by models instead.
#pragma once

#include <ATen/Parallel.h>

namespace demix {

// Until its end, operations called from this thread run on so many.
class ThreadsPerOperation {
 public:
  // Reading the number first makes torch's own lazy initialisation of the thread happen before
  // ours.
  explicit ThreadsPerOperation(int threads) : before_(at::get_num_threads()) {
    at::set_num_threads(threads);
  }
  ~ThreadsPerOperation() { at::set_num_threads(before_); }
  ThreadsPerOperation(const ThreadsPerOperation&) = delete;

  // The calling thread's number of threads before.
  int before() const { return before_; }

 private:
  int before_;
};

// Teams of threads that meet at every small operation mostly wait for each other, above all when
// other work shares the cores.
struct OneThreadPerOperation : ThreadsPerOperation {
  OneThreadPerOperation() : ThreadsPerOperation(1) {}
};

}  // namespace demix
