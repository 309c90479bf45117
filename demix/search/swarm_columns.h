// What the columns of a swarm's files are: the runs' names, data, or neither.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

// The cells of one file as text, without surrounding blanks.
struct SwarmTable {
  std::string file;
  std::vector<std::string> header;
  struct Row {
    size_t line;
    std::vector<std::string> fields;  // as many as the header has
  };
  std::vector<Row> rows;  // at least one
};

// Skips first lines that begin with '#' or say what separates fields, such as "sep=;". Throws Error
// on rows of another length than the header, on a file without rows and on UTF-16.
SwarmTable parse_swarm_table(std::string_view text, const std::string& file);

std::string_view without_blanks(std::string_view text);
// No value for what is not a finite number as a whole.
std::optional<double> finite_number(std::string_view text);
// Whether a cell says that there is no number: empty, "NaN", "N/A" and the like.
bool is_missing(std::string_view text);
// Throws Error with file, line, column and what to do on what is not a finite number.
double number_in(const SwarmTable& table, const SwarmTable::Row& row, size_t column);
// Throws Error where no column is left or one comes twice. `left` of `columns` are data.
void check_columns_of_data(const SwarmTable& table, std::span<const size_t> columns, size_t left);
// For messages: "column 'lr'", or "the unnamed column 1".
std::string words_for_column(const SwarmTable& table, size_t column);
// "column 'lr' was", or "columns 'lr', 'seed' were", of at least one.
std::string words_for_columns(const SwarmTable& table, std::span<const size_t> columns);
// Those of `columns` that hold words or nothing: no cell is a number, nor meant as one ("25%").
std::vector<size_t> text_columns(const SwarmTable& table, std::span<const size_t> columns);

// By its name a column may number or name the runs (run, run_id, name, index, none at all), or say
// how they were made (seed, step, lr). Neither is data. Case makes no difference.
bool is_label(std::string_view column);
bool is_metadata(std::string_view column);
bool is_ignored(std::string_view column, std::span<const std::string> ignored);

// Of the user's entries NAME, mixtures:NAME and scores:NAME, split at commas, the names for each
// file.
struct IgnoredColumns {
  std::vector<std::string> mixtures, scores;
};
IgnoredColumns ignored_columns(std::span<const std::string> entries,
                               const SwarmTable& mixtures,
                               const SwarmTable& scores);

// Of a column of standard errors, by its name, the metric: "acc_stderr,none" has "acc,none".
std::optional<std::string> metric_of_errors(const std::string& column);

// What may be done about a column that is no data, by a run and by demix fit.
std::string how_to_leave_out(std::string_view column);

// The columns that name the runs, chosen for both files together.
struct RunColumns {
  size_t mixtures = 0, scores = 0;
  size_t joined = 0;  // runs that both have by these
  // In words, of the columns that both have: one that would join more runs, and a more telling one
  // that was passed over.
  std::optional<std::string> larger, passed_over;
};

// Columns that both files have go before each file's own. Of several, the most telling one is taken
// that joins at least half as many runs as the one that joins most: run, run_id, other names, other
// numbers, index, an unnamed one; the last two may be no more than row numbers. Throws Error when a
// file has no column that could name its runs. No choice falls on what is ignored.
RunColumns choose_run_columns(const SwarmTable& mixtures,
                              const SwarmTable& scores,
                              const IgnoredColumns& ignored);

// Pieces of a list that was split at commas, put together again where that gives a known name, such
// as "acc,none", and stripped of blanks. What is not known stays as it is.
std::vector<std::string> joined_to_names(std::span<const std::string> pieces,
                                         std::span<const std::string> known);

}  // namespace demix
