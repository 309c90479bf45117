// The files that a path of a configuration stands for.
#pragma once

#include <filesystem>
#include <vector>

namespace demix {

// A file: itself. A folder: every file below it that `accepts` allows; hidden ones are passed over.
// A glob with * ? [ ] or ** (any number of folders): the files that match. Sorted; empty when there
// are none.
std::vector<std::filesystem::path> matching_files(const std::filesystem::path& pattern,
                                                  bool (*accepts)(const std::filesystem::path&));

}  // namespace demix
