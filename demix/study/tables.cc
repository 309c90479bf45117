#include "demix/study/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "demix/core/csv.h"
#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

std::string header(
    std::string first, const StudyTables& tables, bool shares, bool errors, const char* last = "") {
  if (shares)
    for (const std::string& name : tables.datasets) first += ",share." + name;
  for (const std::string& name : tables.domains) first += ",score." + name;
  if (errors)
    for (const std::string& name : tables.domains) first += ",error." + name;
  return first + last + "\n";
}

void add_numbers(std::string& line, const std::vector<double>& values, const char* pattern) {
  for (const double value : values) {
    line += ',';
    if (std::isfinite(value)) line += fmt::format(fmt::runtime(pattern), value);
  }
}

constexpr const char* kShare = "{:.6f}";
constexpr double kSharesRounded = 1e-4;  // how far their sum may be from one
constexpr const char* kScore = "{:.8g}";
constexpr const char* kError = "{:.3g}";
constexpr size_t kFewestReferences = 4;

// A table of write_tables, by the names of its columns.
class CsvTable {
 public:
  explicit CsvTable(const std::filesystem::path& path)
      : name_(path.string()), records_(parse_csv(read_file(path), name_)) {
    if (records_.empty()) throw Error("{}: empty, expected a header", name_);
    for (size_t r = 1; r < records_.size(); ++r) {
      if (records_[r].fields.size() != records_[0].fields.size())
        throw Error("{}:{}: {} fields, but the header has {}",
                    name_,
                    records_[r].line,
                    records_[r].fields.size(),
                    records_[0].fields.size());
    }
  }

  const std::string& name() const { return name_; }
  size_t rows() const { return records_.size() - 1; }
  std::string place(size_t row) const {
    return fmt::format("{}:{}", name_, records_[row + 1].line);
  }
  const std::vector<std::string>& header() const { return records_[0].fields; }
  // What follows `prefix` in the names of columns.
  std::vector<std::string> names(std::string_view prefix) const {
    std::vector<std::string> names;
    for (const std::string& column : header())
      if (column.starts_with(prefix)) names.push_back(column.substr(prefix.size()));
    return names;
  }
  const std::string& text(size_t row, std::string_view column) const {
    const auto found = std::find(header().begin(), header().end(), column);
    if (found == header().end()) throw Error("{}:1: no column '{}'", name_, column);
    return records_[row + 1].fields[static_cast<size_t>(found - header().begin())];
  }
  // NaN where the field is empty.
  double number(size_t row, std::string_view column) const {
    if (text(row, column).empty()) return std::nan("");
    const auto value = parsed<double>(row, column, "a number");
    if (!std::isfinite(value)) throw not_expected(row, column, "a finite number");
    return value;
  }
  uint64_t seed(size_t row) const { return parsed<uint64_t>(row, "seed", "a whole number"); }
  std::vector<double> numbers(size_t row,
                              std::string_view prefix,
                              const std::vector<std::string>& names) const {
    std::vector<double> values;
    for (const std::string& name : names) values.push_back(number(row, std::string(prefix) + name));
    return values;
  }

 private:
  template <class T>
  T parsed(size_t row, std::string_view column, const char* expected) const {
    const std::string& field = text(row, column);
    const char* const behind = field.data() + field.size();
    T value{};
    const auto [end, status] = std::from_chars(field.data(), behind, value);
    if (status != std::errc() || end != behind) throw not_expected(row, column, expected);
    return value;
  }
  Error not_expected(size_t row, std::string_view column, const char* expected) const {
    return Error(
        "{}: column '{}': '{}', expected {}", place(row), column, text(row, column), expected);
  }

  std::string name_;
  std::vector<CsvRecord> records_;
};

void check_reference(const ReferenceRow& row, const std::string& place) {
  double sum = 0;
  for (const double share : row.shares) {
    if (!(share >= 0))
      throw Error("{}: {} has a share of {}, expected 0 or more", place, row.reference, share);
    sum += share;
  }
  if (!(std::abs(sum - 1) < kSharesRounded))
    throw Error("{}: the shares of {} sum to {}, expected 1", place, row.reference, sum);
  for (const double score : row.scores)
    if (std::isnan(score)) throw Error("{}: {} has no score of some domain", place, row.reference);
}

std::vector<ReferenceRow> references_of(const CsvTable& table,
                                        const std::vector<std::string>& datasets,
                                        const std::vector<std::string>& domains) {
  std::vector<ReferenceRow> references;
  std::set<std::string> names;
  for (size_t r = 0; r < table.rows(); ++r) {
    // They are repeated for every experiment.
    if (table.text(r, "experiment") != table.text(0, "experiment")) break;
    references.push_back({table.text(r, "reference"),
                          table.seed(r),
                          table.numbers(r, "share.", datasets),
                          table.numbers(r, "score.", domains),
                          table.numbers(r, "error.", domains)});
    check_reference(references.back(), table.place(r));
    names.insert(references.back().reference);
  }
  if (names.size() < kFewestReferences)
    throw Error("{}: {} references, expected at least {}: no agreement can be measured on fewer",
                table.name(),
                names.size(),
                kFewestReferences);
  return references;
}

void check_same(const std::filesystem::path& path,
                const char* what,
                std::vector<std::string> found,
                std::vector<std::string> expected) {
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  if (found != expected)
    throw Error("{}:1: expected columns of the {} {}, found {}",
                path.string(),
                what,
                fmt::join(expected, ", "),
                fmt::join(found, ", "));
}

}  // namespace

std::vector<std::string> experiments_of(const StudyTables& tables) {
  std::vector<std::string> experiments;
  std::set<std::string> seen;
  for (const EstimateRow& row : tables.estimates)
    if (seen.insert(row.experiment).second) experiments.push_back(row.experiment);
  return experiments;
}

std::vector<std::vector<double>> trained_scores(const StudyTables& tables,
                                                std::vector<std::string>* names) {
  std::vector<std::string> order;
  std::vector<std::vector<double>> sums(tables.domains.size());
  std::vector<double> counts;
  for (const ReferenceRow& row : tables.references) {
    const auto found = std::find(order.begin(), order.end(), row.reference);
    const auto place = static_cast<size_t>(found - order.begin());
    if (found == order.end()) {
      order.push_back(row.reference);
      counts.push_back(0);
      for (auto& sum : sums) sum.push_back(0);
    }
    counts[place] += 1;
    for (size_t d = 0; d < sums.size(); ++d) sums[d][place] += row.scores[d];
  }
  for (auto& sum : sums)
    for (size_t i = 0; i < sum.size(); ++i) sum[i] /= counts[i];
  if (names) *names = std::move(order);
  return sums;
}

std::vector<std::vector<double>> estimates_of(const StudyTables& tables,
                                              const std::string& experiment,
                                              const std::string& chooser) {
  std::vector<std::string> references;
  trained_scores(tables, &references);
  std::vector<std::vector<double>> scores(tables.domains.size(),
                                          std::vector<double>(references.size()));
  std::set<std::string> found;
  for (const EstimateRow& row : tables.estimates) {
    if (row.experiment != experiment || row.chooser != chooser) continue;
    const auto place = std::find(references.begin(), references.end(), row.reference);
    if (place == references.end()) continue;
    found.insert(row.reference);
    for (size_t d = 0; d < scores.size(); ++d)
      scores[d][static_cast<size_t>(place - references.begin())] = row.scores[d];
  }
  return found.size() == references.size() ? scores : std::vector<std::vector<double>>();
}

void write_tables(const StudyTables& tables, const std::filesystem::path& folder) {
  std::string references = header("experiment,reference,seed", tables, true, true);
  for (const std::string& experiment : experiments_of(tables)) {
    for (const ReferenceRow& row : tables.references) {
      references += fmt::format("{},{},{}", experiment, row.reference, row.seed);
      add_numbers(references, row.shares, kShare);
      add_numbers(references, row.scores, kScore);
      add_numbers(references, row.errors, kError);
      references += '\n';
    }
  }
  std::string estimates = header("experiment,chooser,reference", tables, false, false);
  for (const EstimateRow& row : tables.estimates) {
    estimates += fmt::format("{},{},{}", row.experiment, row.chooser, row.reference);
    add_numbers(estimates, row.scores, kScore);
    estimates += '\n';
  }
  std::string decisions = header("experiment,chooser,seed", tables, true, true, ",aggregate");
  for (const DecisionRow& row : tables.decisions) {
    decisions += fmt::format("{},{},{}", row.experiment, row.chooser, row.seed);
    add_numbers(decisions, row.shares, kShare);
    add_numbers(decisions, row.scores, kScore);
    add_numbers(decisions, row.errors, kError);
    add_numbers(decisions, {row.aggregate}, kScore);
    decisions += '\n';
  }
  std::set<std::string> names;
  for (const SignRow& row : tables.signs)
    for (const auto& [name, value] : row.values) names.insert(name);
  std::string signs = "experiment";
  for (const std::string& name : names) signs += "," + name;
  signs += '\n';
  for (const SignRow& row : tables.signs) {
    signs += row.experiment;
    for (const std::string& name : names) {
      const auto value = row.values.find(name);
      add_numbers(signs, {value == row.values.end() ? std::nan("") : value->second}, kScore);
    }
    signs += '\n';
  }
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "references.csv", references);
  write_file_atomically(folder / "estimates.csv", estimates);
  write_file_atomically(folder / "decisions.csv", decisions);
  write_file_atomically(folder / "signs.csv", signs);
}

StudyTables read_tables(const std::filesystem::path& folder) {
  StudyTables tables;
  const CsvTable references(folder / "references.csv");
  tables.datasets = references.names("share.");
  tables.domains = references.names("score.");
  if (tables.datasets.empty()) throw Error("{}:1: no column share.DATASET", references.name());
  if (tables.domains.empty()) throw Error("{}:1: no column score.DOMAIN", references.name());
  tables.references = references_of(references, tables.datasets, tables.domains);
  std::set<std::string> known;
  for (const ReferenceRow& row : tables.references) known.insert(row.reference);
  const CsvTable estimates(folder / "estimates.csv");
  for (size_t r = 0; r < estimates.rows(); ++r) {
    tables.estimates.push_back({estimates.text(r, "experiment"),
                                estimates.text(r, "chooser"),
                                estimates.text(r, "reference"),
                                estimates.numbers(r, "score.", tables.domains)});
    if (!known.contains(tables.estimates.back().reference))
      throw Error("{}: there is no reference '{}' in {}",
                  estimates.place(r),
                  tables.estimates.back().reference,
                  references.name());
  }
  const CsvTable decisions(folder / "decisions.csv");
  for (size_t r = 0; r < decisions.rows(); ++r)
    tables.decisions.push_back({decisions.text(r, "experiment"),
                                decisions.text(r, "chooser"),
                                decisions.seed(r),
                                decisions.numbers(r, "share.", tables.datasets),
                                decisions.numbers(r, "score.", tables.domains),
                                decisions.numbers(r, "error.", tables.domains),
                                decisions.number(r, "aggregate")});
  const CsvTable signs(folder / "signs.csv");
  for (size_t r = 0; r < signs.rows(); ++r) {
    SignRow row{signs.text(r, "experiment"), {}};
    for (const std::string& name : signs.header())
      if (name != "experiment") row.values[name] = signs.number(r, name);
    tables.signs.push_back(std::move(row));
  }
  return tables;
}

std::vector<ReferenceRow> read_references(const std::filesystem::path& path,
                                          const std::vector<std::string>& datasets,
                                          const std::vector<std::string>& domains) {
  const CsvTable table(path);
  check_same(path, "datasets", table.names("share."), datasets);
  check_same(path, "domains", table.names("score."), domains);
  std::vector<ReferenceRow> references = references_of(table, datasets, domains);
  for (ReferenceRow& row : references) {
    double sum = 0;  // they were rounded when they were written
    for (const double share : row.shares) sum += share;
    for (double& share : row.shares) share /= sum;
  }
  return references;
}

std::string decisions_table(const StudyTables& tables) {
  struct Line {
    std::string experiment, chooser;
    std::vector<double> aggregates;
  };
  std::vector<Line> lines;
  for (const DecisionRow& row : tables.decisions) {
    if (lines.empty() || lines.back().experiment != row.experiment ||
        lines.back().chooser != row.chooser)
      lines.push_back({row.experiment, row.chooser, {}});
    lines.back().aggregates.push_back(row.aggregate);
  }
  if (lines.empty()) return "";
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return a.experiment != b.experiment ? a.experiment < b.experiment
                                        : mean(a.aggregates) > mean(b.aggregates);
  });
  std::string text = fmt::format(
      "{:<22}{:<20}{:>12}{:>12}\n", "experiment", "decision of", "aggregate", "deviation");
  for (const Line& line : lines) {
    text += fmt::format("{:<22}{:<20}{:>12.3f}{:>12}\n",
                        line.experiment,
                        line.chooser,
                        mean(line.aggregates),
                        line.aggregates.size() < 2
                            ? ""
                            : fmt::format("{:.3f}", standard_deviation(line.aggregates)));
  }
  return text;
}

}  // namespace demix
