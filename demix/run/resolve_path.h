// Paths in configuration files.
#pragma once

#include <filesystem>

namespace demix {

// Makes `path` absolute: relative to the working directory or, where nothing lies there, to
// `folder`, the configuration file's own. Wildcards stay; an empty path stays empty.
void resolve_path(std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace demix
