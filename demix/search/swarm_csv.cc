#include "demix/search/swarm_csv.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/score_limit.h"
#include "demix/search/swarm_columns.h"
#include "demix/search/swarm_datasets.h"
#include "demix/search/swarm_outliers.h"
#include "demix/search/swarm_shares.h"

namespace demix {
namespace {

using Row = SwarmTable::Row;

// The row of each run.
std::map<std::string, const Row*> rows_by_run(const SwarmTable& table, size_t run_column) {
  std::map<std::string, const Row*> rows;
  for (const Row& row : table.rows) {
    const auto [previous, fresh] = rows.try_emplace(row.fields[run_column], &row);
    if (fresh) continue;
    const std::string column = words_for_column(table, run_column);
    throw Error(
        "{}:{}: run '{}' comes twice in {}, first in line {}{}",
        table.file,
        row.line,
        printable(row.fields[run_column]),
        column,
        previous->second->line,
        column == "column 'run'" ? "" : "; if another column names the runs, name that one run");
  }
  return rows;
}

struct ScoreColumn {
  size_t value;
  std::optional<size_t> error;
};

// The columns that are metrics, each with that of its standard errors. `shares` are datasets.
std::vector<ScoreColumn> score_columns(const SwarmTable& scores,
                                       std::span<const size_t> data,
                                       std::span<const size_t> shares,
                                       Swarm& swarm) {
  const auto place = [&](const std::string& name) -> std::optional<size_t> {
    for (size_t c : data)
      if (scores.header[c] == name) return c;
    return std::nullopt;
  };
  const auto is_in = [](std::span<const size_t> columns, size_t c) {
    return std::find(columns.begin(), columns.end(), c) != columns.end();
  };
  std::vector<ScoreColumn> columns;
  std::map<std::string, size_t> errors;  // by metric
  std::vector<size_t> metadata, text = text_columns(scores, data);
  for (size_t c : data) {
    const std::string& name = scores.header[c];
    const auto metric = metric_of_errors(name);
    if (is_in(text, c) || is_in(shares, c)) continue;
    if (metric && place(*metric)) {
      errors[*metric] = c;
      continue;
    }
    if (metric) {
      swarm.warnings.push_back(fmt::format(
          "{}: {} was left out: by its name it holds standard errors, and there is no column '{}'.",
          scores.file,
          words_for_column(scores, c),
          printable(*metric)));
      swarm.left_out.push_back(name);
    } else if (is_metadata(name)) {
      metadata.push_back(c);
    } else {
      columns.push_back({c, std::nullopt});
    }
  }
  if (columns.empty() && !text.empty()) number_in(scores, scores.rows[0], text[0]);
  const auto leave_out = [&](std::span<const size_t> out, std::string_view why) {
    if (out.empty()) return;
    for (size_t c : out) swarm.left_out.push_back(scores.header[c]);
    swarm.warnings.push_back(
        fmt::format("{}: {} left out: {}.", scores.file, words_for_columns(scores, out), why));
  };
  leave_out(metadata,
            metadata.size() > 1 ? "by their names they are no scores; rename what is a metric"
                                : "by its name it holds no scores; rename what is a metric");
  leave_out(text, "no number is in");
  leave_out(shares, "the mixtures' file has the same shares of datasets");
  for (ScoreColumn& column : columns) {
    const auto found = errors.find(scores.header[column.value]);
    if (found != errors.end()) column.error = found->second;
  }
  return columns;
}

// Runs with a score missing are left out, as the published loaders do.
class Gaps {
 public:
  Gaps(const SwarmTable& scores, const std::vector<ScoreColumn>& columns)
      : scores_(scores), missing_(columns.size()) {
    for (const ScoreColumn& column : columns) columns_.push_back(column.value);
  }

  bool has_gap(const Row& row) {
    bool gap = false;
    for (size_t m = 0; m < columns_.size(); ++m) {
      if (!is_missing(row.fields[columns_[m]])) continue;
      ++missing_[m];
      if (!gap && runs_++ == 0)
        first_ = fmt::format("line {}, {}", row.line, words_for_column(scores_, columns_[m]));
      gap = true;
    }
    ++rows_;
    return gap;
  }

  void report(Swarm& swarm) const {
    if (runs_ == 0) return;
    for (size_t m = 0; m < columns_.size(); ++m) {
      if (missing_[m] < rows_) continue;
      throw Error("{}: {} has no score of any run; {}",
                  scores_.file,
                  words_for_column(scores_, columns_[m]),
                  how_to_leave_out(scores_.header[columns_[m]]));
    }
    if (swarm.runs.empty()) {
      throw Error("{}: every run has a score missing, the first in {}", scores_.file, first_);
    }
    swarm.warnings.push_back(
        fmt::format("{}: {} of {} runs have a score missing and were left out, the first in {}.",
                    scores_.file,
                    runs_,
                    rows_,
                    first_));
  }

 private:
  const SwarmTable& scores_;
  std::vector<size_t> columns_, missing_;  // by metric
  size_t rows_ = 0, runs_ = 0;
  std::string first_;
};

double score_in(const SwarmTable& scores, const Row& row, size_t column) {
  const double score = number_in(scores, row, column);
  if (std::abs(score) <= kLargestScore) return score;
  throw Error(
      "{}:{}: {}: {} is no score, expected at most {} in magnitude; a run that diverged has "
      "no place here: delete its row",
      scores.file,
      row.line,
      words_for_column(scores, column),
      printable(row.fields[column]),
      kLargestScore);
}

void add_standard_error(const SwarmTable& scores,
                        const Row& row,
                        size_t column,
                        std::vector<double>& errors) {
  // One that is not known leaves those of the metric unknown, see forget_incomplete_errors.
  if (is_missing(row.fields[column])) return;
  const double error = score_in(scores, row, column);
  if (error < 0) {
    throw Error("{}:{}: {}: the standard error is {}, expected 0 or more",
                scores.file,
                row.line,
                words_for_column(scores, column),
                error);
  }
  errors.push_back(error);
}

void forget_incomplete_errors(const SwarmTable& scores,
                              const std::vector<ScoreColumn>& columns,
                              Swarm& swarm) {
  for (size_t m = 0; m < columns.size(); ++m) {
    auto& errors = swarm.standard_errors[m];
    if (!columns[m].error || errors.size() == swarm.runs.size()) continue;
    swarm.warnings.push_back(
        fmt::format("{}: {} was left out: it has standard errors of {} runs of {} only.",
                    scores.file,
                    words_for_column(scores, *columns[m].error),
                    errors.size(),
                    swarm.runs.size()));
    errors.clear();
  }
}

std::string words_for_join(const SwarmTable& mixtures,
                           const SwarmTable& scores,
                           const RunColumns& by) {
  const std::string ours = words_for_column(mixtures, by.mixtures),
                    theirs = words_for_column(scores, by.scores);
  return ours == theirs
             ? ours
             : fmt::format("{} of {} and {} of {}", ours, mixtures.file, theirs, scores.file);
}

// Runs of `from` that are not among `in`.
bool warn_of_missing(Swarm& swarm,
                     const SwarmTable& from,
                     size_t run_column,
                     const std::map<std::string, const Row*>& in,
                     const std::string& in_file) {
  size_t count = 0;
  std::string first;
  for (const Row& row : from.rows) {
    const std::string& run = row.fields[run_column];
    if (in.contains(run)) continue;
    if (count++ == 0) first = run;
  }
  if (count == 0) return false;
  swarm.warnings.push_back(
      fmt::format("{} of the {} runs of {} are not in {} and were left out, the first is '{}'.",
                  count,
                  from.rows.size(),
                  from.file,
                  in_file,
                  printable(first)));
  return true;
}

void warn_of_join(Swarm& swarm,
                  const SwarmTable& mixtures,
                  const SwarmTable& scores,
                  const RunColumns& by,
                  bool unmatched) {
  const std::string &ours = mixtures.header[by.mixtures], &theirs = scores.header[by.scores];
  if (!unmatched && ours == theirs && !by.passed_over) return;
  std::string more;
  if (by.larger)
    more = fmt::format(
        "; {} would join more: to take it instead, {}", *by.larger, how_to_leave_out(ours));
  if (by.passed_over)
    more += fmt::format("; {} has other names in each of the files", *by.passed_over);
  swarm.warnings.push_back(
      fmt::format("Runs were joined by {}{}.", words_for_join(mixtures, scores, by), more));
}

// The columns that may be data; the others go into `left_out`.
std::vector<size_t> data_columns(const SwarmTable& table,
                                 size_t run_column,
                                 std::span<const std::string> ignored,
                                 Swarm& swarm) {
  std::vector<size_t> data;
  for (size_t c = 0; c < table.header.size(); ++c) {
    const std::string& name = table.header[c];
    if (c == run_column || is_label(name) || is_ignored(name, ignored)) {
      swarm.left_out.push_back(name);
    } else {
      data.push_back(c);
    }
  }
  return data;
}

// By column of the mixtures the one of the scores that is the same: by name and in all runs that
// both have.
std::map<size_t, size_t> columns_alike(const SwarmTable& mixtures,
                                       size_t run_column,
                                       const SwarmTable& scores,
                                       std::span<const size_t> data,
                                       const std::map<std::string, const Row*>& scored) {
  std::map<size_t, size_t> alike;
  for (size_t s : data) {
    const auto m = std::find(mixtures.header.begin(), mixtures.header.end(), scores.header[s]);
    if (m == mixtures.header.end()) continue;
    const auto c = static_cast<size_t>(m - mixtures.header.begin());
    size_t same = 0, other = 0;
    for (const Row& row : mixtures.rows) {
      const auto found = scored.find(row.fields[run_column]);
      if (found == scored.end()) continue;
      const std::string &ours = row.fields[c], &theirs = found->second->fields[s];
      const auto number = finite_number(ours);
      ++(ours == theirs || (number && number == finite_number(theirs)) ? same : other);
    }
    if (same > 0 && other == 0) alike[c] = s;
  }
  return alike;
}

// A dataset may have a label's name, as `id` for Indonesian: rows sum to one only with it. `data`
// are the columns without labels.
void add_dataset_named_as_label(const SwarmTable& table,
                                size_t run_column,
                                std::span<const std::string> ignored,
                                std::vector<size_t>& data,
                                Swarm& swarm) {
  const auto text = text_columns(table, data);
  const auto miss_one = [&](std::vector<size_t> columns) {
    std::erase_if(columns,
                  [&](size_t c) { return std::find(text.begin(), text.end(), c) != text.end(); });
    const double tolerance = share_tolerance(table, columns);
    return std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
      double sum = 0;
      for (size_t c : columns) {
        const auto share = finite_number(row.fields[c]);
        if (!share) return true;
        sum += *share;
      }
      return std::abs(sum - 1) > tolerance;
    });
  };
  if (!miss_one(data)) return;
  for (size_t c = 0; c < table.header.size(); ++c) {
    const std::string& name = table.header[c];
    if (c == run_column || !is_label(name) || is_ignored(name, ignored)) continue;
    std::vector<size_t> with = data;
    with.insert(std::lower_bound(with.begin(), with.end(), c), c);
    if (miss_one(with)) continue;
    data = std::move(with);
    std::erase(swarm.left_out, name);
    return;
  }
}

}  // namespace

Swarm parse_swarm(std::string_view mixtures_text,
                  const std::string& mixtures_name,
                  std::string_view scores_text,
                  const std::string& scores_name,
                  const SwarmReading& how) {
  const SwarmTable mixtures_table = parse_swarm_table(mixtures_text, mixtures_name);
  const SwarmTable scores = parse_swarm_table(scores_text, scores_name);
  const auto ignored = ignored_columns(how.ignore, mixtures_table, scores);

  Swarm swarm;
  const RunColumns by = choose_run_columns(mixtures_table, scores, ignored);
  const auto scored = rows_by_run(scores, by.scores);
  const auto mixed = rows_by_run(mixtures_table, by.mixtures);
  const auto data = data_columns(scores, by.scores, ignored.scores, swarm);
  const auto same = columns_alike(mixtures_table, by.mixtures, scores, data, scored);
  const auto named = joined_to_names(how.metrics, scores.header);
  auto shares = data_columns(mixtures_table, by.mixtures, ignored.mixtures, swarm);
  std::erase_if(shares, [&](size_t c) {
    return same.contains(c) && is_ignored(mixtures_table.header[c], named);
  });
  if (!how.rescale_rows)
    add_dataset_named_as_label(mixtures_table, by.mixtures, ignored.mixtures, shares, swarm);
  const SwarmShares mixtures(mixtures_table, by.mixtures, std::move(shares), how.rescale_rows);
  for (size_t c : mixtures.columns()) swarm.datasets.push_back(mixtures_table.header[c]);
  swarm.mixtures = Points(swarm.datasets.size());

  std::vector<size_t> shares_again;
  for (size_t c : mixtures.columns())
    if (const auto found = same.find(c); found != same.end()) shares_again.push_back(found->second);
  const auto columns = score_columns(scores, data, shares_again, swarm);
  for (const ScoreColumn& column : columns) swarm.metrics.push_back(scores.header[column.value]);
  check_columns_of_data(scores, data, columns.size());
  swarm.scores.resize(columns.size());
  swarm.standard_errors.resize(columns.size());
  Gaps gaps(scores, columns);
  for (size_t i = 0; i < mixtures_table.rows.size(); ++i) {
    const std::string& run = mixtures_table.rows[i].fields[by.mixtures];
    const auto found = scored.find(run);
    if (found == scored.end() || gaps.has_gap(*found->second)) continue;
    const Row& row = *found->second;
    swarm.runs.push_back(run);
    swarm.mixtures.add(mixtures.rows()[i]);
    for (size_t m = 0; m < columns.size(); ++m) {
      swarm.scores[m].push_back(score_in(scores, row, columns[m].value));
      if (columns[m].error)
        add_standard_error(scores, row, *columns[m].error, swarm.standard_errors[m]);
    }
  }
  if (by.joined == 0) {
    throw Error("no run of {} is in {}, joined by {}; the first runs are '{}' and '{}'",
                mixtures_name,
                scores_name,
                words_for_join(mixtures_table, scores, by),
                printable(mixtures_table.rows[0].fields[by.mixtures]),
                printable(scores.rows[0].fields[by.scores]));
  }
  gaps.report(swarm);
  forget_incomplete_errors(scores, columns, swarm);
  for (const std::string& warning : mixtures.warnings()) swarm.warnings.push_back(warning);
  const auto& no_datasets = mixtures.left_out();
  swarm.left_out.insert(swarm.left_out.end(), no_datasets.begin(), no_datasets.end());
  const bool ours = warn_of_missing(swarm, mixtures_table, by.mixtures, scored, scores_name);
  const bool theirs = warn_of_missing(swarm, scores, by.scores, mixed, mixtures_name);
  warn_of_join(swarm, mixtures_table, scores, by, ours || theirs);
  for (std::string& warning : outlier_warnings(swarm, scores_name))
    swarm.warnings.push_back(std::move(warning));
  return swarm;
}

Swarm read_swarm(const std::filesystem::path& mixtures,
                 const std::filesystem::path& scores,
                 const SwarmReading& how) {
  return parse_swarm(
      read_file(mixtures), mixtures.string(), read_file(scores), scores.string(), how);
}

}  // namespace demix
