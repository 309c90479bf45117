// How much memory there is, and large buffers in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace demix {

// Bytes that this process can still allocate without swapping: what the kernel estimates for the
// machine (MemAvailable), or less where a control group of the process (version 1 or 2, or one
// around it) allows less; of a group's use, file pages that it can drop do not count. `root` is
// where /proc and /sys are found.
int64_t available_memory(const std::filesystem::path& root = "/");
// Bytes that can be written into the file system that holds `folder`, which exists.
int64_t available_disk(const std::filesystem::path& folder);

// Zeroed bytes that begin at a page. Memory and disk space are taken when they are first written.
class LargeBuffer {
 public:
  LargeBuffer() = default;
  // Anonymous memory, in huge pages where the system has them. Throws Error when there is none.
  static LargeBuffer in_memory(int64_t bytes);
  // A mapped file that lies in `folder` without a name, so that it is gone when the buffer or the
  // process is; its space on the disk is reserved. The system keeps what fits of it in memory.
  // Throws Error when the disk is full.
  static LargeBuffer on_disk(int64_t bytes, const std::filesystem::path& folder);
  ~LargeBuffer();
  LargeBuffer(LargeBuffer&& other) noexcept;
  LargeBuffer& operator=(LargeBuffer&& other) noexcept;

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  LargeBuffer(std::byte* data, int64_t bytes) : data_(data), bytes_(bytes) {}
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace demix
