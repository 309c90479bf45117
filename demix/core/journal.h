// The run folder's memory: an SQLite file with every finished piece of work under its content key,
// and the lock that keeps a second process out of the folder. Resuming a run is finding its pieces
// here.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demix/core/json.h"

namespace demix {

struct JournalDatabase;

struct JournalEntry {
  std::string key;   // content key
  std::string name;  // for people: "components/math_high"
  Json value;
};

// One transaction per piece: a killed process or a power failure loses nothing that `put` returned
// for. Thread-safe; other processes may read meanwhile.
class Journal {
 public:
  // Opens or creates `file`. Throws Error when it is damaged, of another version, or not a journal.
  explicit Journal(const std::filesystem::path& file);
  ~Journal();
  Journal(Journal&&) noexcept;

  // The value of a finished piece, if there is one. `kind` is a table of its own: "dataset",
  // "model".
  std::optional<Json> find(std::string_view kind, std::string_view key) const;
  // Records a finished piece. A key that is there already keeps its place in the order and gets the
  // new name and value. Throws Error when the disk is full; then nothing was recorded.
  // In values, NaN becomes null and invalid UTF-8 U+FFFD.
  void put(std::string_view kind, std::string_view key, std::string_view name, const Json& value);
  // The same for several at once, in one transaction: all of them or none.
  void put(std::string_view kind, std::span<const JournalEntry> entries);
  // Forgets all pieces of a kind.
  void drop(std::string_view kind);
  // All pieces of a kind, in the order in which they were first recorded.
  std::vector<JournalEntry> all(std::string_view kind) const;

  // Seconds of work per stage, accumulated over resumes.
  void add_seconds(std::string_view stage, double seconds);
  double seconds(std::string_view stage) const;

 private:
  std::unique_ptr<JournalDatabase> database_;
};

// Exclusive use of a run folder while the object lives; the system releases it when the process
// dies, however it dies.
class RunLock {
 public:
  // Creates the folder if need be. Throws Error naming folder, process id and host of the holder
  // when another process has it.
  explicit RunLock(const std::filesystem::path& folder);
  ~RunLock();
  RunLock(RunLock&&) noexcept;

 private:
  int descriptor_ = -1;
};

}  // namespace demix
