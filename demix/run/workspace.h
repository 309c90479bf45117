// A run folder: its lock, its resolved configuration, its journal.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "demix/core/journal.h"
#include "demix/run/run_config.h"

namespace demix {

class Workspace {
 public:
  // Creates `folder` or takes up what is there. Throws Error when another process works in it, or
  // when its config.yaml differs from `config` (the first difference is shown).
  Workspace(RunConfig config, std::filesystem::path folder);
  // The same for a configuration that has more in it than a run's; `text` is all of it.
  Workspace(RunConfig config, std::string text, std::filesystem::path folder);

  const RunConfig& config() const { return config_; }
  const std::filesystem::path& folder() const { return folder_; }
  Journal& journal() { return journal_; }
  // config.yaml's text.
  const std::string& config_text() const { return config_text_; }

 private:
  std::filesystem::path folder_;
  RunLock lock_;
  RunConfig config_;
  std::string config_text_;
  Journal journal_;
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
