// Swarms that others trained: a table of mixtures and a table of scores, as CSV files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "demix/search/points.h"

namespace demix {

// A row per run, joined over both files, in the order of the mixtures' file.
struct Swarm {
  std::vector<std::string> runs;
  std::vector<std::string> datasets;        // columns of the mixtures, as named there
  std::vector<std::string> metrics;         // columns of the scores, as named there
  Points mixtures{1};                       // rows rescaled to sum to one
  std::vector<std::vector<double>> scores;  // [metric][run]
  // [metric][run]; empty for a metric M without a column M_stderr
  std::vector<std::vector<double>> standard_errors;
  std::vector<std::string> warnings;  // whole sentences: rows rescaled, runs in one file only
};

// Reads the shapes of RegMix (`index`, then one column per dataset or metric) and Olmix
// (`run,name,index`, then the same). Runs are joined by the column `run` or `run_id`, else by the
// first one; `name`, `index` and unnamed columns are no data. Fields are separated by commas, tabs
// or semicolons, whichever the header has most of. Names are stripped of surrounding blanks. A
// column M_stderr beside a column M holds its standard errors. A mixture row may miss one by 0.01,
// since published ones are rounded; it is rescaled. Runs in one file only are left out with a
// warning. Throws Error naming file, line and column on anything that is not a finite number, on
// repeated runs or columns, on rows of another length and when no run is left.
Swarm read_swarm(const std::filesystem::path& mixtures, const std::filesystem::path& scores);

// The same from text; the names stand in errors.
Swarm parse_swarm(std::string_view mixtures_text,
                  const std::string& mixtures_name,
                  std::string_view scores_text,
                  const std::string& scores_name);

}  // namespace demix
