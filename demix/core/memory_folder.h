// A folder in memory for what another program is to read.
#pragma once

#include <filesystem>
#include <optional>

#include "demix/core/at_end.h"

namespace demix {

// In /dev/shm where `bytes` fit there with room to spare, else in the system's temporary folder. It
// is removed with the object, and when this process dies, however it dies.
class MemoryFolder {
 public:
  // Throws Error where it cannot be created.
  explicit MemoryFolder(int64_t bytes);

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::optional<AtEnd> removal_;
};

}  // namespace demix
