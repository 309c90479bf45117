// Memory for vector and tile instructions.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "demix/core/memory.h"

namespace demix {

// The first multiple of `unit` that is not below `value`.
inline int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// Zeros, at the beginning of a cache line. T is a plain number.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t count) {
    // The system's zeros: large memory is not written here.
    const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
    if (bytes >= kHugePage / 2) {
      pages_ = LargeBuffer::in_memory(round_up(bytes, kHugePage));
      data_ = reinterpret_cast<T*>(pages_.data());
      return;
    }
    memory_.reset(std::calloc(static_cast<size_t>(bytes + kLine), 1));
    if (!memory_) throw std::bad_alloc();
    data_ = reinterpret_cast<T*>(round_up(reinterpret_cast<int64_t>(memory_.get()), kLine));
  }
  T* data() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  static constexpr int64_t kLine = 64, kHugePage = 2 << 20;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  LargeBuffer pages_;
  T* data_ = nullptr;
};

}  // namespace demix
