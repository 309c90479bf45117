// Scores item by item, for other programs to read.
#pragma once

#include <filesystem>
#include <span>

#include "demix/evaluate/metrics.h"
#include "demix/evaluate/task.h"

namespace demix {

// One JSON line for each item, in the order of the tasks:
//
//   {"task": "arc_easy", "id": "Mercury_417466", "gold": 0, "loglikelihoods": [-3.1, -4.0],
//    "chars": [12, 9], "bytes": [12, 9]}
//
// Where answers are generated also "generated", "extracted" and the judge's metrics; "gold" is then
// the answer that was compared with. Of several answers of an item these are lists. Throws Error on
// a full disk; then PATH is what it was.
void write_samples(const std::filesystem::path& path,
                   std::span<const Task> tasks,
                   std::span<const ItemScore> scores);

}  // namespace demix
