// Worked examples in front of an item's prompt, drawn and written as lm-evaluation-harness 0.4.13
// does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "demix/core/json.h"
#include "demix/evaluate/python_random.h"
#include "demix/evaluate/task_file.h"

namespace demix {

class Fewshot {
 public:
  // `count` examples for each item, from `stems` in `data_folder` or those of the file; nothing is
  // read for 0. Throws Error when the task has no examples or too few.
  Fewshot(const TaskFile& task,
          int64_t count,
          const std::vector<std::string>& stems,
          const std::filesystem::path& data_folder);

  // The text in front of the context of the next item, made of `row`: call it once for each item in
  // their order, since the state of the generator goes from item to item.
  std::string next(const Json& row, const std::string& place);

 private:
  std::vector<size_t> draw(const Json& row, const std::string& place);
  const std::string& text(size_t index);

  const TaskFile& task_;
  size_t count_;
  std::filesystem::path file_;  // of the pool; empty: the task's own
  std::vector<Json> pool_;
  std::vector<std::optional<std::string>> texts_;  // of the pool, made when first drawn
  PythonRandom random_{1234};                      // the harness's default seed
};

}  // namespace demix
