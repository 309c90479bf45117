// Memory for vector and tile instructions.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace demix {

// The first multiple of `unit` that is not below `value`.
inline int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// Zeros, at the beginning of a cache line. T is a plain number.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t count)
      // The system's zeros: large memory is not written here.
      : memory_(std::calloc(static_cast<size_t>(count) * sizeof(T) + kLine, 1)) {
    if (!memory_) throw std::bad_alloc();
    const auto address = reinterpret_cast<uintptr_t>(memory_.get());
    data_ = reinterpret_cast<T*>((address + kLine - 1) / kLine * kLine);
  }
  T* data() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  static constexpr size_t kLine = 64;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  T* data_ = nullptr;
};

}  // namespace demix
