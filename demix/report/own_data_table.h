// Whether components learned their own datasets (demix/validate/own_data.h), as a table.
#pragma once

#include "demix/report/html.h"
#include "demix/report/result.h"

namespace demix {

// Components and base as rows, held-out text as columns. Empty where no such text is scored.
Html own_data_table(const RunResult& result);

}  // namespace demix
