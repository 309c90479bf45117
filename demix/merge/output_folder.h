// A folder that appears whole or not at all.
#pragma once

#include <filesystem>

namespace demix {

// Everything is written into FOLDER.demix-partial, a sibling, which `commit` renames. A killed
// process leaves at most that sibling, which the next one that writes the same folder recognises by
// its name and removes; a lock keeps it from removing what a living process writes.
class OutputFolder {
 public:
  // With `sync`, `commit` returns when everything is on the disk, safe from a loss of power.
  // Throws Error when `folder` exists and is not an empty folder, when another process is writing
  // it, or when it cannot be made.
  OutputFolder(const std::filesystem::path& folder, bool sync);
  ~OutputFolder();  // without `commit`, nothing remains
  OutputFolder(const OutputFolder&) = delete;

  const std::filesystem::path& partial() const { return partial_; }
  bool sync() const { return sync_; }
  // The files are complete and, where `sync` asks for it, flushed by who wrote them.
  void commit();

 private:
  std::filesystem::path folder_, partial_;
  bool sync_;
  int lock_ = -1;
};

// Throws Error unless `folder` is missing or an empty folder.
void check_output_is_free(const std::filesystem::path& folder);

}  // namespace demix
