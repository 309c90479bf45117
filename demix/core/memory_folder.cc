#include "demix/core/memory_folder.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "demix/core/error.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// What shares the memory with the folder needs some.
bool has_room(const fs::path& folder, int64_t bytes) {
  std::error_code failed;
  const fs::space_info space = fs::space(folder, failed);
  return !failed && ::access(folder.c_str(), W_OK) == 0 &&
         space.available / 2 > static_cast<uintmax_t>(bytes);
}

}  // namespace

MemoryFolder::MemoryFolder(int64_t bytes) {
  const fs::path memory = "/dev/shm";
  const fs::path parent = has_room(memory, bytes) ? memory : fs::temp_directory_path();
  std::string pattern = (parent / "demix-XXXXXX").string();
  if (!::mkdtemp(pattern.data()))
    throw Error("{}: cannot be created: {}", pattern, std::strerror(errno));
  path_ = pattern;
  removal_.emplace("rm -rf -- \"$1\"", std::vector{path_.string()});
}

}  // namespace demix
