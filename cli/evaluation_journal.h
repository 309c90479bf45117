// Where `demix evaluate` keeps finished items, so that it goes on after an interruption.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "demix/core/journal.h"
#include "demix/evaluate/score_journal.h"

namespace demix::cli {

class EvaluationJournal {
 public:
  // In `file`, which keeps all results for later; where it is empty, in a folder of this evaluation
  // (`model` and what is scored, `scorer`) below the user's cache, for as long as the evaluation is
  // not finished. Without a place for that, or where another process has it, there is none, and a
  // warning says so.
  //
  // `model`, which takes a while, is asked for when it is needed: a short evaluation that does not
  // go on with an interrupted one has no folder.
  EvaluationJournal(const std::filesystem::path& file,
                    std::function<std::string()> model,
                    const std::string& scorer);
  EvaluationJournal(const EvaluationJournal&) = delete;

  ScoreJournal& items() { return *items_; }
  // Results are written: removes what served only to go on.
  void finish();

 private:
  std::filesystem::path folder_;  // of this evaluation, or empty
  std::optional<RunLock> lock_;
  std::optional<Journal> journal_;
  std::optional<ScoreJournal> items_;
};

}  // namespace demix::cli
