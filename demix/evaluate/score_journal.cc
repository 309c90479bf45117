#include "demix/evaluate/score_journal.h"

#include <utility>
#include <vector>

#include "demix/core/journal.h"

namespace demix {
namespace {

std::string kind_of(const std::string& model) { return "items of " + model; }

}  // namespace

ScoreJournal::ScoreJournal(Journal& journal, const std::string& model, double every_s)
    : journal_(&journal), kind_(kind_of(model)), wait_(every_s), every_(every_s) {
  for (JournalEntry& entry : journal.all(kind_)) found_[entry.key] = std::move(entry.value);
  holds_some_ = !found_.empty();
}

ScoreJournal::ScoreJournal(std::function<Place()> open, double after_s, double every_s)
    : open_(std::move(open)), wait_(after_s), every_(every_s) {}

const Json* ScoreJournal::find(const std::string& key) const {
  const auto found = found_.find(key);
  return found == found_.end() ? nullptr : &found->second;
}

void ScoreJournal::add(const std::string& key, const std::string& name, Json value) {
  const std::lock_guard lock(mutex_);
  if (!journal_ && !open_) return;
  pending_[key] = {name, std::move(value)};
  if (Clock::now() - recorded_ < wait_) return;
  if (open_) {
    const auto [journal, model] = std::exchange(open_, nullptr)();
    journal_ = journal;
    kind_ = kind_of(model);
  }
  record();
}

void ScoreJournal::flush() {
  const std::lock_guard lock(mutex_);
  record();
}

void ScoreJournal::drop() {
  const std::lock_guard lock(mutex_);
  pending_.clear();
  found_.clear();
  if (holds_some_) journal_->drop(kind_);
  holds_some_ = false;
}

void ScoreJournal::record() {
  if (!journal_) return;
  std::vector<JournalEntry> entries;
  for (auto& [key, piece] : pending_) entries.push_back({key, piece.name, std::move(piece.value)});
  if (!entries.empty()) {
    journal_->put(kind_, entries);
    holds_some_ = true;
  }
  pending_.clear();
  recorded_ = Clock::now();
  wait_ = every_;
}

}  // namespace demix
