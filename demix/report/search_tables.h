// Tables of what the search knew, and how it turned out. Each is empty where nothing is known.
#pragma once

#include "demix/report/html.h"
#include "demix/report/result.h"

namespace demix {

// Found and baselines: by domain what was predicted, what their proxies measured, and what found
// gains over each.
Html verified_table(const RunResult& result);
// How far each share can move before the predicted objective falls by objective_error.
Html tolerance_table(const RunResult& result);
// The Pareto front over the domains with its mixtures.
Html front_table(const RunResult& result);
// How the mixture was chosen, what ended the search, what one more proxy would buy.
Html search_end_note(const RunResult& result);

}  // namespace demix
