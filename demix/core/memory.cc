#include "demix/core/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "demix/core/error.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// The number behind `key` at the beginning of a line; an empty key: the file's first word. Nothing
// when the file or the number is missing ("max").
std::optional<int64_t> number_in(const fs::path& file, std::string_view key) {
  std::ifstream lines(file);
  std::string line;
  while (std::getline(lines, line)) {
    if (!line.starts_with(key)) continue;
    std::istringstream rest(line.substr(key.size()));
    int64_t value = 0;
    if (rest >> value) return value;
    return std::nullopt;
  }
  return std::nullopt;
}

// What a group's limit leaves; nothing without a limit.
std::optional<int64_t> left_in_group(const fs::path& group, bool version_2) {
  std::optional<int64_t> limit;
  for (const char* name : {"memory.max", "memory.high", "memory.limit_in_bytes"}) {
    const std::optional<int64_t> one = number_in(group / name, "");
    if (one) limit = std::min(*one, limit.value_or(*one));
  }
  const std::optional<int64_t> used =
      number_in(group / (version_2 ? "memory.current" : "memory.usage_in_bytes"), "");
  if (!limit || !used) return std::nullopt;
  const std::optional<int64_t> droppable =
      number_in(group / "memory.stat", version_2 ? "inactive_file " : "total_inactive_file ");
  return std::max<int64_t>(0, *limit - std::max<int64_t>(0, *used - droppable.value_or(0)));
}

}  // namespace

int64_t available_memory(const fs::path& root) {
  int64_t left = std::numeric_limits<int64_t>::max();
  if (const auto available = number_in(root / "proc/meminfo", "MemAvailable:"))
    left = *available * 1024;
  std::ifstream groups(root / "proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {
    // "0::/path" in version 2, "4:memory:/path" among others in version 1.
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version_2 = controllers.empty();
    if (!version_2 && ("," + controllers + ",").find(",memory,") == std::string::npos) continue;
    const fs::path top = root / (version_2 ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
    // Inside a container the path may be the host's; then only the top is there, and is the
    // container's own group.
    fs::path group = fs::path(line.substr(second + 1)).relative_path();
    for (;; group = group.parent_path()) {
      if (const auto in_group = left_in_group(top / group, version_2))
        left = std::min(left, *in_group);
      if (group.empty()) break;
    }
  }
  return left;
}

int64_t available_disk(const fs::path& folder) {
  struct statvfs facts{};
  if (statvfs(folder.c_str(), &facts) != 0)
    throw Error("{}: {}", folder.string(), std::strerror(errno));
  return static_cast<int64_t>(facts.f_bavail) * static_cast<int64_t>(facts.f_frsize);
}

LargeBuffer LargeBuffer::in_memory(int64_t bytes) {
  if (bytes == 0) return {};
  void* data = mmap(nullptr,
                    static_cast<size_t>(bytes),
                    PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1,
                    0);
  if (data == MAP_FAILED)
    throw Error("no memory for a buffer of {} bytes: {}", bytes, std::strerror(errno));
  madvise(data, static_cast<size_t>(bytes), MADV_HUGEPAGE);  // only a wish
  return {static_cast<std::byte*>(data), bytes};
}

LargeBuffer LargeBuffer::on_disk(int64_t bytes, const fs::path& folder) {
  if (bytes == 0) return {};
  std::string name = (folder / ".demix-buffer-XXXXXX").string();
  const int file = mkostemp(name.data(), O_CLOEXEC);
  if (file < 0)
    throw Error("{}: a file cannot be created: {}", folder.string(), std::strerror(errno));
  unlink(name.c_str());
  if (const int failed = posix_fallocate(file, 0, bytes); failed != 0) {
    close(file);
    throw Error("{}: a buffer of {} bytes cannot be laid out: {}",
                folder.string(),
                bytes,
                std::strerror(failed));
  }
  void* data =
      mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const int failed = errno;
  close(file);
  if (data == MAP_FAILED) {
    throw Error("{}: a buffer of {} bytes cannot be mapped: {}",
                folder.string(),
                bytes,
                std::strerror(failed));
  }
  return {static_cast<std::byte*>(data), bytes};
}

LargeBuffer::~LargeBuffer() {
  if (data_) munmap(data_, static_cast<size_t>(bytes_));
}

LargeBuffer::LargeBuffer(LargeBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

LargeBuffer& LargeBuffer::operator=(LargeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace demix
