// The sections of the page, in its order. Each says what is missing where nothing is known yet.
#pragma once

#include "demix/report/html.h"
#include "demix/report/result.h"

namespace demix {

Html answer_section(const RunResult& result);       // the mixture and how far to trust it
Html fidelity_section(const RunResult& result);     // proxies against really trained models
Html scores_section(const RunResult& result);       // per task: found, natural, uniform
Html search_section(const RunResult& result);       // the rounds
Html consumption_section(const RunResult& result);  // datasets, and what every model read
Html cost_section(const RunResult& result);
Html reproduce_section(const RunResult& result);
Html glossary_section();

// A section with its heading and a sentence under it. An empty `body` becomes `missing`.
Html section(
    const char* id, const char* title, const Html& lead, const Html& body, const char* missing);

// A table that may scroll sideways inside its own box on narrow screens.
Html scrollable(const Html& table);

}  // namespace demix
