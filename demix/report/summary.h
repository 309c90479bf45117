// The answer in short, for a terminal: whether to act, the mixture, the questions of the page with
// its marks, and how many warnings there were.
#pragma once

#include <string>

#include "demix/report/result.h"

namespace demix {

std::string terminal_summary(const RunResult& result);

}  // namespace demix
