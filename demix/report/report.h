// The files that a run hands over.
#pragma once

#include <filesystem>

#include "demix/report/result.h"

namespace demix {

// Writes result.json, details.json, mixture.csv, megatron_blend.txt and report.html into the run
// folder. Each file is replaced as a whole, so that a reader never sees half of one. Throws Error
// when one cannot be written.
void write_report(const std::filesystem::path& run, const RunResult& result);

// The result that write_report left. Throws Error when a file is missing or not of demix.
RunResult read_result(const std::filesystem::path& run);

// `demix report RUN`: writes the other files anew from result.json and details.json alone.
void rebuild_report(const std::filesystem::path& run);

}  // namespace demix
