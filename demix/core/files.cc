#include "demix/core/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "demix/core/error.h"

namespace demix {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

// Whether PATH is written as it is, never replaced: a device, a pipe, what the system calls the
// standard output.
bool is_written_in_place(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  if (folder == "/dev" || folder == "/dev/fd" || folder.string().starts_with("/proc/")) return true;
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
}

// The file that PATH leads to by links, which stay.
std::filesystem::path behind_links(const std::filesystem::path& path) {
  std::error_code error;
  const auto target = std::filesystem::canonical(path, error);
  return std::filesystem::is_symlink(path) && !error ? target : path;
}

}  // namespace

void throw_write_error(const std::filesystem::path& path, int error) {
  if (error == ENOSPC || error == EDQUOT) {
    throw Error("{}: the disk is full; free some space and start again", path.string());
  }
  throw Error("{}: cannot be written: {}{}",
              path.string(),
              std::strerror(error),
              error == EFBIG ? "; the limit on file sizes (ulimit -f) is too small" : "");
}

std::string read_file(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    throw Error("{}: is a folder, expected a file", path.string());
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("{}: cannot be opened: {}", path.string(), std::strerror(errno));
  std::string text;
  // Streaming rdbuf() would take a failed read for the end of the file.
  for (char part[1 << 16]; file.read(part, sizeof part) || file.gcount() > 0;)
    text.append(part, static_cast<size_t>(file.gcount()));
  if (file.bad()) throw Error("{}: reading failed: {}", path.string(), std::strerror(errno));
  return text;
}

void sync_to_disk(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw_write_error(path, errno);
  const bool failed = ::fsync(descriptor) != 0;
  const int error = errno;
  ::close(descriptor);
  // Some file systems cannot sync folders and say EINVAL; a rename itself is done by then.
  if (failed && error != EINVAL) throw_write_error(path, error);
}

void write_file(const std::filesystem::path& path, std::string_view text, bool sync) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) throw_write_error(path, errno);
  int error = 0;
  while (!text.empty() && error == 0) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno != EINTR) error = errno;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
  if (error == 0 && sync && ::fsync(descriptor) != 0) error = errno;
  // Network file systems may report a failed write only at close.
  if (::close(descriptor) != 0 && error == 0) error = errno;
  if (error != 0) throw_write_error(path, error);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

// Where path_ is written in place, partial_ is the same.
AtomicFile::AtomicFile(std::filesystem::path path) {
  const bool in_place = is_written_in_place(path);
  path_ = in_place ? std::move(path) : behind_links(path);
  partial_ = path_;
  if (!in_place) partial_ += ".partial";
  const int create = in_place ? 0 : O_CREAT;
  descriptor_ = ::open(partial_.c_str(), O_WRONLY | create | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw_write_error(partial_, errno);
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (partial_ != path_) ::unlink(partial_.c_str());
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::move(other.partial_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      buffer_(std::move(other.buffer_)) {}

void AtomicFile::write(const void* data, size_t size) {
  const char* bytes = static_cast<const char*>(data);
  if (buffer_.size() + size > kBufferBytes) flush();
  if (size > kBufferBytes) {
    write_now(bytes, size);
  } else {
    buffer_.insert(buffer_.end(), bytes, bytes + size);
  }
}

void AtomicFile::write_now(const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(descriptor_, bytes, size);
    if (written < 0 && errno != EINTR) throw_write_error(partial_, errno);
    if (written <= 0) continue;
    bytes += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::flush() {
  write_now(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::overwrite(uint64_t offset, const void* data, size_t size) {
  flush();
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(descriptor_, bytes, size, static_cast<off_t>(offset));
    if (written < 0 && errno != EINTR) throw_write_error(partial_, errno);
    if (written <= 0) continue;
    bytes += written;
    offset += static_cast<uint64_t>(written);
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  DEMIX_CHECK(descriptor_ >= 0);
  flush();
  if (partial_ == path_) {
    if (::close(std::exchange(descriptor_, -1)) != 0) throw_write_error(path_, errno);
    return;
  }
  if (::fsync(descriptor_) != 0) throw_write_error(partial_, errno);
  // Network file systems may report a failed write only at close.
  if (::close(std::exchange(descriptor_, -1)) != 0 ||
      ::rename(partial_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(partial_.c_str());
    throw_write_error(path_, error);
  }
  sync_to_disk(path_.has_parent_path() ? path_.parent_path() : ".");
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    throw Error("{}: cannot be opened for reading: {}", path.string(), std::strerror(errno));
  }
  struct stat status;
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw Error("{}: not a regular file", path.string());
  }
  const auto size = static_cast<size_t>(status.st_size);
  void* mapping = nullptr;
  if (size > 0) mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
  const int error = errno;
  ::close(descriptor);
  if (mapping == MAP_FAILED) {
    throw Error("{}: cannot be mapped into memory: {}", path.string(), std::strerror(error));
  }
  bytes_ = {static_cast<const std::byte*>(mapping), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

}  // namespace demix
