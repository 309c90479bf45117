#include "cli/evaluation_journal.h"

#include <cstdlib>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"

namespace demix::cli {
namespace {

// What a killed evaluation may lose. Hashing the weights and making the journal is a tenth of a
// shorter one.
constexpr double kWithoutJournal_s = 3;

std::filesystem::path cache_folder() {
  for (const auto& [variable, below] : {std::pair("XDG_CACHE_HOME", ""), {"HOME", ".cache"}}) {
    const char* value = std::getenv(variable);
    if (value && *value == '/') return std::filesystem::path(value) / below / "demix/evaluations";
  }
  throw Error("neither XDG_CACHE_HOME nor HOME names a folder");
}

// Whether an evaluation of `scorer` was interrupted, of this or another model.
bool was_interrupted(const std::string& scorer) {
  try {
    for (const auto& folder : std::filesystem::directory_iterator(cache_folder()))
      if (folder.path().filename().string().starts_with(scorer)) return true;
  } catch (const std::exception&) {  // no such folder
  }
  return false;
}

}  // namespace

EvaluationJournal::EvaluationJournal(const std::filesystem::path& file,
                                     std::function<std::string()> model,
                                     const std::string& scorer) {
  if (!file.empty()) {
    journal_.emplace(file);
    items_.emplace(*journal_, model());
  } else {
    const auto open = [this, model = std::move(model), scorer] {
      ScoreJournal::Place place{nullptr, model()};
      try {
        folder_ = cache_folder() / fmt::format("{}-{}", scorer, place.model);
        lock_.emplace(folder_);
        journal_.emplace(folder_ / "journal.sqlite");
        place.journal = &*journal_;
      } catch (const Error& error) {
        folder_.clear();
        warn(fmt::format(
            "An interrupted evaluation would begin anew (name a file with --journal): {}.",
            error.what()));
      }
      return place;
    };
    if (!was_interrupted(scorer)) {
      items_.emplace(open, kWithoutJournal_s);
    } else if (const ScoreJournal::Place place = open(); place.journal) {
      items_.emplace(*place.journal, place.model);
    } else {
      items_.emplace([place] { return place; }, 0);
    }
  }
  if (items_->size() > 0)
    say(fmt::format(
        "{} pieces of this model's evaluation were finished before and are not computed "
        "again",
        items_->size()));
}

void EvaluationJournal::finish() {
  if (folder_.empty()) return;
  items_.reset();
  journal_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace demix::cli
