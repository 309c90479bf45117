#include "demix/core/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "demix/core/error.h"

namespace demix {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* what, int error) {
  throw Error("{}: {}: {}{}",
              path.string(),
              what,
              std::strerror(error),
              error == ENOSPC ? "; free some space and start the same command again" : "");
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    throw Error("{}: is a folder, expected a file", path.string());
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("{}: cannot be opened: {}", path.string(), std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) throw Error("{}: reading failed", path.string());
  return std::move(text).str();
}

void sync_to_disk(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, "cannot be opened", errno);
  const int failed = fsync(file);
  const int error = errno;
  close(file);
  if (failed) fail(path, "cannot be flushed to the disk", error);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail(temporary, "cannot be created", errno);
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      close(file);
      unlink(temporary.c_str());
      fail(path, "cannot be written", error);
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
  const int failed = fsync(file);
  const int error = errno;
  close(file);
  if (failed) fail(path, "cannot be flushed to the disk", error);
  std::error_code failure;
  std::filesystem::rename(temporary, path, failure);
  if (failure) throw Error("{}: cannot be put in place: {}", path.string(), failure.message());
}

}  // namespace demix
