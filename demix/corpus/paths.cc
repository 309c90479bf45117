#include "demix/corpus/paths.h"

#include <fnmatch.h>

#include <algorithm>
#include <string>

#include "demix/core/error.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  if (error) throw Error("{}: cannot be listed: {}", folder.string(), error.message());
  return entries;
}

// Links to folders are not followed: they may lead in circles.
bool is_real_folder(const fs::path& path) { return fs::is_directory(fs::symlink_status(path)); }

void add_below(const fs::path& folder,
               bool (*accepts)(const fs::path&),
               std::vector<fs::path>& found) {
  for (const fs::path& entry : entries_of(folder)) {
    if (is_hidden(entry)) continue;
    if (is_real_folder(entry)) {
      add_below(entry, accepts, found);
    } else if (accepts(entry)) {
      std::error_code error;
      const bool there = fs::exists(entry, error);
      // Left out in silence, its text would be missed.
      if (!there) throw Error("{}: a link that leads to no file", entry.string());
      if (fs::is_regular_file(entry)) found.push_back(entry);
    }
  }
}

// Files below `base` that match the components [part, end) of a glob.
void add_matches(const fs::path& base,
                 fs::path::iterator part,
                 fs::path::iterator end,
                 bool (*accepts)(const fs::path&),
                 std::vector<fs::path>& found) {
  if (part == end) {
    if (fs::is_regular_file(base)) found.push_back(base);
    if (fs::is_directory(base)) add_below(base, accepts, found);
    return;
  }
  const std::string pattern = part->string();
  const auto rest = std::next(part);
  if (pattern.find_first_of("*?[") == std::string::npos) {
    const fs::path next = base / *part;
    std::error_code error;
    if (fs::exists(next, error)) add_matches(next, rest, end, accepts, found);
    return;
  }
  const fs::path folder = base.empty() ? "." : base;
  if (!fs::is_directory(folder)) return;
  if (pattern == "**") add_matches(base, rest, end, accepts, found);
  for (const fs::path& entry : entries_of(folder)) {
    const fs::path next = base / entry.filename();
    if (pattern == "**") {
      if (is_real_folder(next) && !is_hidden(next)) add_matches(next, part, end, accepts, found);
    } else if (fnmatch(pattern.c_str(), entry.filename().c_str(), FNM_PERIOD) == 0) {
      add_matches(next, rest, end, accepts, found);
    }
  }
}

}  // namespace

std::vector<fs::path> matching_files(const fs::path& pattern, bool (*accepts)(const fs::path&)) {
  std::vector<fs::path> found;
  std::error_code error;  // of links that lead to themselves
  if (fs::is_regular_file(pattern, error)) {
    found.push_back(pattern);
  } else if (fs::is_directory(pattern, error)) {
    add_below(pattern, accepts, found);
  } else {
    add_matches("", pattern.begin(), pattern.end(), accepts, found);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace demix
