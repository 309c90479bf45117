#include "demix/evaluate/score_journal.h"

#include <vector>

#include "demix/core/journal.h"

namespace demix {

ScoreJournal::ScoreJournal(Journal& journal, const std::string& model, double every_s)
    : journal_(journal), kind_("items of " + model), every_(every_s) {
  for (JournalEntry& entry : journal_.all(kind_)) found_[entry.key] = std::move(entry.value);
  holds_some_ = !found_.empty();
}

const Json* ScoreJournal::find(const std::string& key) const {
  const auto found = found_.find(key);
  return found == found_.end() ? nullptr : &found->second;
}

void ScoreJournal::add(const std::string& key, const std::string& name, Json value) {
  const std::lock_guard lock(mutex_);
  pending_[key] = {name, std::move(value)};
  if (Clock::now() - recorded_ >= every_) record();
}

void ScoreJournal::flush() {
  const std::lock_guard lock(mutex_);
  record();
}

void ScoreJournal::drop() {
  const std::lock_guard lock(mutex_);
  pending_.clear();
  found_.clear();
  if (holds_some_) journal_.drop(kind_);
  holds_some_ = false;
}

void ScoreJournal::record() {
  std::vector<JournalEntry> entries;
  for (auto& [key, piece] : pending_) entries.push_back({key, piece.name, std::move(piece.value)});
  if (!entries.empty()) {
    journal_.put(kind_, entries);
    holds_some_ = true;
  }
  pending_.clear();
  recorded_ = Clock::now();
}

}  // namespace demix
