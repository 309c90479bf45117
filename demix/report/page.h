// The page: report.html.
#pragma once

#include <string>

#include "demix/report/result.h"

namespace demix {

// One self-contained HTML document: no network, no other file; charts are inline SVG, and it reads
// well without JavaScript. Whatever is not known yet is said to be missing. Text from the result
// (names, warnings, configuration) is escaped.
std::string render_page(const RunResult& result);

}  // namespace demix
