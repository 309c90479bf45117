// One row of a benchmark's data made into what a model is asked.
#pragma once

#include <string>

#include "demix/core/json.h"
#include "demix/evaluate/task.h"
#include "demix/evaluate/task_file.h"

namespace demix {

// Without id, and without what a task puts in front of the context. `place` names the row; throws
// Error with it and the task file's line when the row does not fit the prompts.
Item make_item(const TaskFile& task,
               const ItemPrompts& prompts,
               const Json& row,
               const std::string& place);

}  // namespace demix
