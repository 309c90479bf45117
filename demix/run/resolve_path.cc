#include "demix/run/resolve_path.h"

#include <string>

namespace demix {

void resolve_path(std::filesystem::path& path, const std::filesystem::path& folder) {
  if (path.empty() || path.is_absolute()) return;
  const std::string text = path.string();
  const size_t glob = text.find_first_of("*?[");
  const std::filesystem::path probe =
      glob == std::string::npos ? path : std::filesystem::path(text.substr(0, glob)).parent_path();
  if (!std::filesystem::exists(probe) && std::filesystem::exists(folder / probe))
    path = folder / path;
  path = std::filesystem::absolute(path).lexically_normal();
}

}  // namespace demix
