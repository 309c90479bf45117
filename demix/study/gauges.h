// What the gauge (demix/validate/gauge.h) says of a study's experiments. Torch-free.
#pragma once

#include <string>

#include "demix/study/tables.h"

namespace demix {

// Computes `gauge` and `gauge.DOMAIN` in the experiment's row of signs, in place of earlier ones,
// over its merges' and interpolated estimates of the references, noise taken for zero. Without a
// value where there is no such row or estimate, or where the gauge has none.
void add_gauge(StudyTables& tables, const std::string& experiment);

}  // namespace demix
