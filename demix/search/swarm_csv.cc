#include "demix/search/swarm_csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "demix/core/csv.h"
#include "demix/core/error.h"
#include "demix/core/files.h"

namespace demix {
namespace {

constexpr double kSumTolerance = 0.01;
// Less is what rounding to five digits does.
constexpr double kWorthAWord = 1e-4;

std::string_view stripped(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

struct Table {
  std::string name;
  std::string key;                   // the column that names the runs
  std::vector<std::string> columns;  // of data
  struct Row {
    size_t line;
    std::vector<double> values;
  };
  std::vector<std::string> runs;  // in file order
  std::map<std::string, Row> rows;
};

double parse_number(std::string_view text, const std::string& where) {
  text = stripped(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty()) throw Error("{}: no value, expected a number", where);
  if (status != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw Error("{}: '{}', expected a finite number", where, text);
  }
  return value;
}

bool is_label(std::string_view column) {
  return column.empty() || column == "run" || column == "run_id" || column == "name" ||
         column == "index" || column.starts_with("Unnamed");
}

Table parse_table(std::string_view text, const std::string& name) {
  const auto records = parse_csv(text, name);
  if (records.empty()) throw Error("{}: empty, expected a header and a row per run", name);
  std::vector<std::string> header;
  for (const auto& field : records[0].fields) header.emplace_back(stripped(field));

  auto key = std::find(header.begin(), header.end(), "run");
  if (key == header.end()) key = std::find(header.begin(), header.end(), "run_id");
  if (key == header.end()) key = header.begin();
  const auto key_column = static_cast<size_t>(key - header.begin());

  Table table{.name = name, .key = header[key_column], .columns = {}, .runs = {}, .rows = {}};
  std::vector<size_t> data_columns;
  std::set<std::string_view> seen;
  for (size_t c = 0; c < header.size(); ++c) {
    if (c == key_column || is_label(header[c])) continue;
    if (!seen.insert(header[c]).second)
      throw Error("{}:1: column '{}' comes twice", name, header[c]);
    data_columns.push_back(c);
    table.columns.push_back(header[c]);
  }
  if (data_columns.empty()) {
    throw Error("{}:1: no column of data beside the run's labels; the header is '{}'",
                name,
                fmt::join(header, ","));
  }

  for (size_t r = 1; r < records.size(); ++r) {
    const CsvRecord& record = records[r];
    if (record.fields.size() != header.size()) {
      throw Error("{}:{}: {} fields, but the header has {}",
                  name,
                  record.line,
                  record.fields.size(),
                  header.size());
    }
    std::string run(stripped(record.fields[key_column]));
    Table::Row row{record.line, {}};
    for (size_t c : data_columns) {
      row.values.push_back(parse_number(
          record.fields[c], fmt::format("{}:{}: column '{}'", name, record.line, header[c])));
    }
    const auto [previous, fresh] = table.rows.try_emplace(run, std::move(row));
    if (!fresh) {
      throw Error("{}:{}: run '{}' comes twice, first in line {}",
                  name,
                  record.line,
                  run,
                  previous->second.line);
    }
    table.runs.push_back(std::move(run));
  }
  if (table.rows.empty()) throw Error("{}: a header without rows", name);
  return table;
}

// What may have gone wrong where the shares of a row do not sum to one.
std::string remedy(const Table& table, const std::string& run, const Table::Row& row, double sum) {
  const auto one = [](double value) { return std::abs(value - 1) <= kSumTolerance; };
  if (one(sum / 100)) return "; they look like percentages: divide them by 100";
  double first = 0;
  if (std::from_chars(run.data(), run.data() + run.size(), first).ec == std::errc() &&
      one(sum + first))
    return fmt::format(
        "; with column '{}', which was taken for the runs' names, they do: put a column that names "
        "the runs in front, in both files",
        table.key);
  for (size_t c = 0; c < row.values.size(); ++c)
    if (row.values[c] > 1 + kSumTolerance)
      return fmt::format(
          "; '{}' is {:.6g}: is it a dataset's share? Only columns named run, run_id, name or "
          "index, "
          "and the first one, are left out",
          table.columns[c],
          row.values[c]);
  return "";
}

// Shares of one row, rescaled to sum to one.
std::vector<double> shares(const Table& table,
                           const std::string& run,
                           const Table::Row& row,
                           double& largest_miss) {
  double sum = 0;
  for (size_t c = 0; c < row.values.size(); ++c) {
    if (row.values[c] < 0) {
      throw Error("{}:{}: column '{}': the share is {}, expected 0 or more",
                  table.name,
                  row.line,
                  table.columns[c],
                  row.values[c]);
    }
    sum += row.values[c];
  }
  if (!(std::abs(sum - 1) <= kSumTolerance)) {
    throw Error("{}:{}: the shares sum to {:.6g}, expected 1 (within {}){}",
                table.name,
                row.line,
                sum,
                kSumTolerance,
                remedy(table, run, row, sum));
  }
  largest_miss = std::max(largest_miss, std::abs(sum - 1));
  std::vector<double> result = row.values;
  for (double& share : result) share /= sum;
  return result;
}

struct ScoreColumn {
  size_t value;
  std::optional<size_t> error;
};

// The columns that are metrics, each with that of its standard errors.
std::vector<ScoreColumn> score_columns(const Table& scores) {
  const auto place = [&](const std::string& name) -> std::optional<size_t> {
    const auto found = std::find(scores.columns.begin(), scores.columns.end(), name);
    if (found == scores.columns.end()) return std::nullopt;
    return static_cast<size_t>(found - scores.columns.begin());
  };
  constexpr std::string_view kSuffix = "_stderr";
  std::vector<ScoreColumn> columns;
  for (size_t c = 0; c < scores.columns.size(); ++c) {
    const std::string& name = scores.columns[c];
    if (name.ends_with(kSuffix) && place(name.substr(0, name.size() - kSuffix.size()))) continue;
    columns.push_back({c, place(name + std::string(kSuffix))});
  }
  return columns;
}

void warn_of_missing(Swarm& swarm, const Table& from, const Table& in) {
  size_t count = 0;
  std::string first;
  for (const auto& run : from.runs) {
    if (in.rows.contains(run)) continue;
    if (count++ == 0) first = run;
  }
  if (count == 0) return;
  swarm.warnings.push_back(
      fmt::format("{} of the {} runs of {} are not in {} and were left out, the first is '{}'.",
                  count,
                  from.runs.size(),
                  from.name,
                  in.name,
                  first));
}

}  // namespace

Swarm parse_swarm(std::string_view mixtures_text,
                  const std::string& mixtures_name,
                  std::string_view scores_text,
                  const std::string& scores_name) {
  const Table mixtures = parse_table(mixtures_text, mixtures_name);
  const Table scores = parse_table(scores_text, scores_name);
  Swarm swarm;
  swarm.datasets = mixtures.columns;
  swarm.mixtures = Points(mixtures.columns.size());
  const auto columns = score_columns(scores);
  for (const ScoreColumn& column : columns) swarm.metrics.push_back(scores.columns[column.value]);
  swarm.scores.resize(columns.size());
  swarm.standard_errors.resize(columns.size());
  double largest_miss = 0;
  for (const auto& run : mixtures.runs) {
    const auto row = shares(mixtures, run, mixtures.rows.at(run), largest_miss);
    const auto scored = scores.rows.find(run);
    if (scored == scores.rows.end()) continue;
    swarm.runs.push_back(run);
    swarm.mixtures.add(row);
    for (size_t m = 0; m < columns.size(); ++m) {
      const auto& values = scored->second.values;
      swarm.scores[m].push_back(values[columns[m].value]);
      if (!columns[m].error) continue;
      const double error = values[*columns[m].error];
      if (error < 0) {
        throw Error("{}:{}: column '{}': the standard error is {}, expected 0 or more",
                    scores_name,
                    scored->second.line,
                    scores.columns[*columns[m].error],
                    error);
      }
      swarm.standard_errors[m].push_back(error);
    }
  }
  if (swarm.runs.empty()) {
    throw Error("no run of {} is in {}; the first runs are '{}' and '{}'",
                mixtures_name,
                scores_name,
                mixtures.runs[0],
                scores.runs[0]);
  }
  if (largest_miss > kWorthAWord) {
    swarm.warnings.push_back(fmt::format(
        "{}: rows sum to one within {:.3g} only and were rescaled.", mixtures_name, largest_miss));
  }
  warn_of_missing(swarm, mixtures, scores);
  warn_of_missing(swarm, scores, mixtures);
  return swarm;
}

Swarm read_swarm(const std::filesystem::path& mixtures, const std::filesystem::path& scores) {
  return parse_swarm(read_file(mixtures), mixtures.string(), read_file(scores), scores.string());
}

}  // namespace demix
