// What the references of a study teach about the choosers' estimates. Torch-free.
#pragma once

#include <string>
#include <vector>

#include "demix/study/tables.h"

namespace demix {

// References that a user may well afford.
inline constexpr size_t kFewReferences = 8;

// Estimates that calibration learns from: one kind of proxy, and what is free.
std::vector<std::string> calibrated_from(bool has_ensembles);

// Adds what the experiment's estimates and the references lead to expect of each reference
// (demix/validate/calibration.h), in place of earlier rows of these names: "calibrated", by all
// other references, and "calibrated_8", by kFewReferences others; "shares" and "shares_8", the same
// without any estimate. Nothing where no components foretold the references.
void add_calibrated(StudyTables& tables, const std::string& experiment);

}  // namespace demix
