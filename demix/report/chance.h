// Scores that are no better than guessing.
#pragma once

#include <string>
#include <vector>

#include "demix/report/result.h"

namespace demix {

// True when no model's score lies clearly (by 95 %) on the better side of what knowing nothing
// gives.
bool at_chance(const TaskFacts& task, const std::vector<Score>& scores);
// The same of what the page compares: found, natural and uniform, as trained and as proxies.
bool at_chance(const RunResult& result, size_t task);

// One sentence or two with a remedy, of the tasks that count and are at chance; empty: none are.
std::string warning_of_chance(const RunResult& result);

}  // namespace demix
