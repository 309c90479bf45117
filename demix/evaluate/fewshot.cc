#include "demix/evaluate/fewshot.h"

#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/corpus/rows.h"
#include "demix/evaluate/item.h"
#include "demix/evaluate/task_data.h"

namespace demix {

Fewshot::Fewshot(const TaskFile& task,
                 int64_t count,
                 const std::vector<std::string>& stems,
                 const std::filesystem::path& data_folder)
    : task_(task), count_(static_cast<size_t>(count)) {
  if (count == 0) return;
  if (stems.empty() && !task.config().fewshot.examples)
    throw Error("{}: {} examples are asked for, but the task names none; expected 0",
                task.where("fewshot"),
                count);
  pool_ = task.examples();
  if (!stems.empty()) {
    file_ = find_task_data(data_folder, stems, task.where("fewshot.data")).front();
    pool_ = read_rows(file_);
  }
  const size_t needed = count_ + (task.config().fewshot.leave_out_item ? 1 : 0);
  if (pool_.size() < needed)
    throw Error("{}: {} examples are asked for, which takes {} rows; there are {}",
                task.where("fewshot"),
                count,
                needed,
                pool_.size());
  texts_.resize(pool_.size());
}

std::vector<size_t> Fewshot::draw(const Json& row, const std::string& place) {
  const FewshotConfig& config = task_.config().fewshot;
  const auto is_taken = [&](size_t index) { return !config.leave_out_item || pool_[index] != row; };
  std::vector<size_t> drawn;
  const auto take = [&](size_t index) {
    if (drawn.size() < count_ && is_taken(index)) drawn.push_back(index);
  };
  if (config.sampler == "first_n") {
    for (size_t i = 0; i < pool_.size(); ++i) take(i);
  } else {
    for (const size_t index :
         random_.sample(pool_.size(), count_ + (config.leave_out_item ? 1 : 0)))
      take(index);
    if (drawn.size() < count_) {  // the item was drawn more than once: again, from the others
      std::vector<size_t> others;
      for (size_t i = 0; i < pool_.size(); ++i)
        if (is_taken(i)) others.push_back(i);
      drawn.clear();
      if (others.size() >= count_)
        for (const size_t index : random_.sample(others.size(), count_)) take(others[index]);
    }
  }
  if (drawn.size() < count_)
    throw Error("{}: {} examples are asked for ({}), but too few rows differ from this one",
                place,
                count_,
                task_.where("fewshot"));
  return drawn;
}

const std::string& Fewshot::text(size_t index) {
  if (!texts_[index]) {
    const TaskConfig& config = task_.config();
    const std::string place = file_.empty()
                                  ? fmt::format("{}[{}]", task_.where("fewshot.examples"), index)
                                  : row_place(file_, index);
    if (const HarnessTask* harness = task_.harness()) {
      texts_[index] = harness_example(harness->example_prompts, pool_[index], place);
      return *texts_[index];
    }
    const Item item = make_item(task_, task_.example_prompts(), pool_[index], place);
    const auto gold = static_cast<size_t>(item.gold);
    texts_[index] = item.contexts[item.contexts.size() == 1 ? 0 : gold] +
                    config.fewshot.target_delimiter.value_or(config.delimiter) +
                    item.continuations[gold].substr(config.delimiter.size()) +
                    config.fewshot.delimiter;
  }
  return *texts_[index];
}

std::string Fewshot::next(const Json& row, const std::string& place) {
  if (count_ == 0) return "";
  std::string examples;
  for (const size_t index : draw(row, place)) examples += text(index);
  return examples;
}

}  // namespace demix
