// Files that are complete or absent, whatever happens while they are written.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

namespace demix {

// Owns a POSIX file descriptor; -1 is none.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  // Returns what close(2) returns: some file systems report a full disk only here.
  int close();

 private:
  int fd_;
};

// A new file, written as "PATH.tmp", that replaces `path` when committed and vanishes otherwise:
// `path` holds the whole new content or what it held before. Throws Error on a full disk and other
// failures.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  // On disk when this returns.
  void commit();

 private:
  [[noreturn]] void fail(const char* what);

  std::filesystem::path path_, temporary_;
  FileDescriptor file_;
  bool committed_ = false;
};

void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace demix
