// A run folder: its lock, its resolved configuration, its journal.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "demix/core/journal.h"
#include "demix/run/run_config.h"

namespace demix {

class Coordinator;

class Workspace {
 public:
  // Creates `folder` or takes up what is there. Throws Error when another process works in it, or
  // when its config.yaml differs from `config` (the first difference is shown).
  Workspace(RunConfig config, std::filesystem::path folder);
  // The same for a configuration that has more in it than a run's; `text` is all of it.
  Workspace(RunConfig config, std::string text, std::filesystem::path folder);

  // A worker's (worker.h): in a run's folder, which another process has, with a journal of its own.
  Workspace(RunConfig config, std::filesystem::path folder, const std::filesystem::path& journal);

  const RunConfig& config() const { return config_; }
  const std::filesystem::path& folder() const { return folder_; }
  Journal& journal() { return journal_; }
  // config.yaml's text.
  const std::string& config_text() const { return config_text_; }

  // Whom pieces of work are shared with; null where this process does all of them.
  Coordinator* coordinator() const { return coordinator_; }
  void share_with(Coordinator* coordinator) { coordinator_ = coordinator; }

 private:
  std::filesystem::path folder_;
  std::optional<RunLock> lock_;
  RunConfig config_;
  std::string config_text_;
  Journal journal_;
  Coordinator* coordinator_ = nullptr;
};

// Adds the time since its last lap to a stage's seconds in the journal, so that a killed run loses
// at most the piece in work.
class StageClock {
 public:
  StageClock(Journal& journal, std::string stage);
  ~StageClock();
  void lap();

 private:
  Journal& journal_;
  std::string stage_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace demix
