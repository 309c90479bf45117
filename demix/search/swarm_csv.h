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
  std::vector<std::string> left_out;  // columns that are no data, of both files
  std::vector<std::string> warnings;  // whole sentences: what was rescaled, left out or guessed
};

// How the files are to be read.
struct SwarmReading {
  // Columns that are no data: NAME, or mixtures:NAME and scores:NAME in one file only.
  std::vector<std::string> ignore = {};
  // A column that both files have with the same cells is a metric if it stands here.
  std::vector<std::string> metrics = {};
  // The mixtures' rows are token counts, percentages or other weights: any sum above 0 will do.
  bool rescale_rows = false;
};

// Reads the shapes of RegMix (`index`, then one column per dataset or metric) and Olmix
// (`run,name,index`, then the same). Fields are separated by commas, tabs or semicolons, whichever
// the header has most of. The columns that join the files are those of choose_run_columns; other
// labels are no data. A column M_stderr beside a column M holds its standard errors. A mixture row
// may miss one by 0.01, or by what rounding explains, since published ones are rounded; it is
// rescaled. Both files may be one: datasets are what sums to one (see dataset_columns), and a
// column that both have with the same cells is a metric where `metrics` names it, else a dataset if
// it may be, else a metric.
//
// Left out with a warning: runs in one file only or with a score missing, standard errors without a
// metric, columns of text, columns named like metadata among the scores, and among the mixtures
// where the rows sum to one without them or are rescaled whatever their sum. Runs whose scores
// stand far from all others are warned of. Throws Error naming file, line and column on anything
// else that is not a finite number, on repeated runs or columns, on rows of another length and when
// no run is left.
Swarm read_swarm(const std::filesystem::path& mixtures,
                 const std::filesystem::path& scores,
                 const SwarmReading& how = {});

// The same from text; the names stand in errors.
Swarm parse_swarm(std::string_view mixtures_text,
                  const std::string& mixtures_name,
                  std::string_view scores_text,
                  const std::string& scores_name,
                  const SwarmReading& how = {});

}  // namespace demix
