#include "demix/evaluate/task_data.h"

#include "demix/core/error.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// The file of this stem, or an empty path.
fs::path find_file(const fs::path& folder, const std::string& stem) {
  fs::path found;
  for (const char* extension : {".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".arrow"}) {
    const fs::path path = folder / (stem + extension);
    if (!fs::exists(path)) continue;
    if (!found.empty())
      throw Error("{}: both {} and {} are there; keep one",
                  folder.string(),
                  found.filename().string(),
                  path.filename().string());
    found = path;
  }
  return found;
}

}  // namespace

std::vector<fs::path> find_task_data(const fs::path& folder,
                                     const std::vector<std::string>& stems,
                                     const std::string& where,
                                     const std::vector<std::string>& parts,
                                     const std::string& parts_where) {
  if (!fs::is_directory(folder))
    throw Error("{}: {}; expected the folder of the tasks' data files",
                folder.string(),
                fs::exists(folder) ? "is a file" : "no such folder");
  for (const std::string& stem : stems)
    if (const fs::path path = find_file(folder, stem); !path.empty()) return {path};
  std::vector<fs::path> files;
  for (const std::string& stem : parts) {
    files.push_back(find_file(folder, stem));
    if (files.back().empty() && files.size() > 1)
      throw Error("{}: {} is there, but not {}; {} needs all of {}",
                  folder.string(),
                  parts.front(),
                  stem,
                  parts_where,
                  fmt::join(parts, ", "));
    if (files.back().empty()) break;
  }
  if (!files.empty() && !files.back().empty()) return files;
  throw Error(
      "{}: found no data file for {}: expected {} with .jsonl, .jsonl.gz, .jsonl.zst, .parquet or "
      ".arrow",
      folder.string(),
      where,
      fmt::join(stems, " or "));
}

}  // namespace demix
