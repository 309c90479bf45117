#include "cli/evaluation_journal.h"

#include <cstdlib>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"

namespace demix::cli {
namespace {

std::filesystem::path cache_folder() {
  for (const auto& [variable, below] : {std::pair("XDG_CACHE_HOME", ""), {"HOME", ".cache"}}) {
    const char* value = std::getenv(variable);
    if (value && *value == '/') return std::filesystem::path(value) / below / "demix/evaluations";
  }
  throw Error("neither XDG_CACHE_HOME nor HOME names a folder");
}

}  // namespace

EvaluationJournal::EvaluationJournal(const std::filesystem::path& file,
                                     const std::string& model,
                                     const std::string& scorer) {
  if (!file.empty()) {
    journal_.emplace(file);
    items_.emplace(*journal_, model);
  } else {
    try {
      folder_ = cache_folder() / Hasher().field(model).field(scorer).hex();
      lock_.emplace(folder_);
      journal_.emplace(folder_ / "journal.sqlite");
      items_.emplace(*journal_, model);
    } catch (const Error& error) {
      warn(
          fmt::format("an interrupted evaluation would begin anew (name a file with --journal): {}",
                      error.what()));
      items_.reset();
    }
  }
  if (items_ && items_->size() > 0)
    say(fmt::format(
        "{} pieces of this model's evaluation were finished before and are not computed "
        "again",
        items_->size()));
}

void EvaluationJournal::finish() {
  if (folder_.empty() || !items_) return;
  items_.reset();
  journal_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace demix::cli
