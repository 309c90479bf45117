// Files that appear complete or not at all, and files read whole or through memory mapping.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

// Throws Error when the file is missing or cannot be read.
std::string read_file(const std::filesystem::path& path);

// Writes one text through AtomicFile.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// Writes a new file under its final name, for folders that become visible as a whole. With `sync`,
// it is on the disk afterwards.
void write_file(const std::filesystem::path& path, std::string_view text, bool sync);

// Flushes a finished file or folder to the disk; throws Error on failure.
void sync_to_disk(const std::filesystem::path& path);

// Throws the Error for a failed write (`error` is an errno): a full disk and a limit on file sizes
// are named as such.
[[noreturn]] void throw_write_error(const std::filesystem::path& path, int error);

// Writes PATH.partial and renames it to PATH when complete. A killed process leaves at most
// PATH.partial, which the next writer of PATH replaces. A device or pipe is written as it is, a
// link leads to the file that is replaced. Every failure throws Error; a full disk is named as
// such.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();  // without `commit`, nothing remains
  AtomicFile(AtomicFile&& other) noexcept;

  // Appends; buffered.
  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }
  // Replaces bytes written before, such as a header whose counts are known last.
  void overwrite(uint64_t offset, const void* data, size_t size);
  // On disk (fsync) and under the final name, the folder's entry included.
  void commit();

 private:
  void write_now(const char* bytes, size_t size);
  void flush();
  std::filesystem::path path_, partial_;
  int descriptor_ = -1;
  std::vector<char> buffer_;
};

// A whole file, mapped read-only. An empty file is an empty span. Throws Error when it cannot be
// read.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace demix
