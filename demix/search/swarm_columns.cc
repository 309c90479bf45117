#include "demix/search/swarm_columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <set>

#include "demix/core/csv.h"
#include "demix/core/error.h"

namespace demix {
namespace {

constexpr std::array kLabels = {"run", "run_id", "run_name", "id", "name", "index"};
constexpr std::array kMetadata = {
    "seed",         "seeds",        "step",    "steps",         "global_step",
    "epoch",        "epochs",       "tokens",  "num_tokens",    "n_tokens",
    "train_tokens", "total_tokens", "lr",      "learning_rate", "timestamp",
    "time",         "date",         "runtime", "wall_time",     "elapsed",
    "batch_size",   "flops",        "params",  "num_params",    "created_at"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string result;
  for (char c : text) result += lower(c);
  return result;
}

// In lower case, blanks and dashes as underscores, without those in front: wandb has "_step".
std::string plain(std::string_view column) {
  std::string result;
  for (char c : column) {
    const bool blank = c == ' ' || c == '-' || c == '_' || c == '.';
    if (!(blank && result.empty())) result += blank ? '_' : lower(c);
  }
  return result;
}

bool is_unnamed(std::string_view column) {
  return column.empty() || column.starts_with("Unnamed");  // as pandas writes it
}

void refuse_utf16(std::string_view text, const std::string& file) {
  const bool marked = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
  if (!marked && text.substr(0, 1000).find('\0') == std::string_view::npos) return;
  throw Error(
      "{}: UTF-16 or not text, expected UTF-8; convert it, such as with "
      "'iconv -f UTF-16 -t UTF-8'",
      file);
}

// Takes lines off the front that are no header, and counts them.
size_t skip_preamble(std::string_view& text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  size_t lines = 0;
  while (text.starts_with('#') || lower(text.substr(0, 4)) == "sep=") {
    const size_t end = text.find_first_of("\r\n");
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
    ++lines;
  }
  return lines;
}

bool is_integer(std::string_view text) {
  const auto value = finite_number(text);
  return value && std::trunc(*value) == *value;
}

std::set<std::string> distinct(const SwarmTable& table, size_t column) {
  std::set<std::string> values;
  for (const auto& row : table.rows) values.insert(row.fields[column]);
  return values;
}

bool has_text(const SwarmTable& table, size_t column) {
  return std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
    return !row.fields[column].empty() && !finite_number(row.fields[column]);
  });
}

// Shares and scores have fractions, or repeat.
bool could_name_runs(const SwarmTable& table, size_t column) {
  if (is_label(table.header[column]) || has_text(table, column)) return true;
  const bool integers = std::all_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
    return is_integer(row.fields[column]);
  });
  return integers && distinct(table, column).size() == table.rows.size();
}

// How little a column tells of runs; 0 is best.
int remoteness(const SwarmTable& table, size_t column) {
  const std::string name = plain(table.header[column]);
  if (name == "run") return 0;
  if (name == "run_id") return 1;
  if (is_unnamed(table.header[column])) return 5;
  if (name == "index") return 4;
  return has_text(table, column) ? 2 : 3;
}

size_t own_run_column(const SwarmTable& table, std::span<const std::string> ignored) {
  std::optional<size_t> first;
  for (const char* best : {"run", "run_id", ""}) {
    for (size_t c = 0; c < table.header.size(); ++c) {
      if (is_ignored(table.header[c], ignored)) continue;
      if (*best ? plain(table.header[c]) == best : could_name_runs(table, c)) return c;
      if (!first) first = c;
    }
  }
  throw Error(
      "{}: no column names the runs{}: put one named run in front, with the same names in the "
      "mixtures' and the scores' file",
      table.file,
      first
          ? fmt::format("; {} holds fractions or repeated numbers", words_for_column(table, *first))
          : std::string());
}

// Whatever its case.
bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), lower(text)) != words.end();
}

bool is_infinite(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return is_one_of(text, {"inf", "infinity"});
}

// What may be done about text that is no finite number.
std::string advice(std::string_view text, const std::string& column) {
  if (text.ends_with('%') && finite_number(text.substr(0, text.size() - 1)))
    return "; write a share or score in per cent as a fraction of one, 78.7% as 0.787";
  std::string with_point(text);
  std::replace(with_point.begin(), with_point.end(), ',', '.');
  if (finite_number(with_point)) return "; write the decimal sign as a point, not as a comma";
  if (is_infinite(text)) return "; a run that diverged has no place in a fit: delete its row";
  return "; if the column is no data, " + how_to_leave_out(column);
}

// Whether a cell is meant as a number, though it may be written as no file here should.
bool is_like_number(std::string_view text) {
  std::string plain(text);
  if (plain.ends_with('%')) plain.pop_back();
  std::erase(plain, ',');
  return finite_number(plain) || is_infinite(plain);
}

bool same_name(std::string_view a, std::string_view b) {
  return (is_unnamed(a) && is_unnamed(b)) || lower(a) == lower(b);
}

}  // namespace

std::string_view without_blanks(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<double> finite_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

bool is_missing(std::string_view text) {
  return is_one_of(text, {"", "nan", "na", "n/a", "null", "none"});
}

double number_in(const SwarmTable& table, const SwarmTable::Row& row, size_t column) {
  const std::string& text = row.fields[column];
  const auto value = finite_number(text);
  if (value) return *value;
  const std::string where =
      fmt::format("{}:{}: {}", table.file, row.line, words_for_column(table, column));
  if (is_missing(text))
    throw Error("{}: no value, expected a number; write 0 for a dataset without a part", where);
  throw Error("{}: '{}', expected a finite number{}",
              where,
              printable(text),
              advice(text, table.header[column]));
}

void check_columns_of_data(const SwarmTable& table, std::span<const size_t> columns, size_t left) {
  std::set<std::string_view> seen;
  for (size_t c : columns) {
    if (seen.insert(table.header[c]).second) continue;
    throw Error("{}:1: column '{}' comes twice", table.file, printable(table.header[c]));
  }
  if (left > 0) return;
  throw Error("{}:1: no column of data beside the run's labels; the header is '{}'",
              table.file,
              printable(fmt::format("{}", fmt::join(table.header, ","))));
}

std::string words_for_column(const SwarmTable& table, size_t column) {
  const std::string& name = table.header[column];
  return name.empty() ? fmt::format("the unnamed column {}", column + 1)
                      : fmt::format("column '{}'", printable(name));
}

std::string words_for_columns(const SwarmTable& table, std::span<const size_t> columns) {
  constexpr size_t kFew = 12;
  std::vector<std::string> words;
  for (size_t c : columns.first(std::min(columns.size(), kFew))) {
    const std::string& name = table.header[c];
    words.push_back(name.empty() ? fmt::format("unnamed {}", c + 1)
                                 : fmt::format("'{}'", printable(name)));
  }
  if (columns.size() == 1) return words_for_column(table, columns[0]) + " was";
  const size_t more = columns.size() - words.size();
  return fmt::format("columns {}{} were",
                     fmt::join(words, ", "),
                     more > 0 ? fmt::format(" and {} more", more) : std::string());
}

std::vector<size_t> text_columns(const SwarmTable& table, std::span<const size_t> columns) {
  std::vector<size_t> found;
  for (size_t c : columns) {
    bool has_word = false, has_number = false, has_anything = false;
    for (const auto& row : table.rows) {
      const std::string& cell = row.fields[c];
      has_anything = has_anything || !cell.empty();
      if (is_missing(cell)) continue;
      (is_like_number(cell) ? has_number : has_word) = true;
    }
    if (!has_number && (has_word || !has_anything)) found.push_back(c);
  }
  return found;
}

std::string how_to_leave_out(std::string_view column) {
  return fmt::format("delete it (or give demix fit --ignore {})", printable(column));
}

bool is_label(std::string_view column) {
  return is_unnamed(column) ||
         std::find(kLabels.begin(), kLabels.end(), plain(column)) != kLabels.end();
}

bool is_ignored(std::string_view column, std::span<const std::string> ignored) {
  return std::find(ignored.begin(), ignored.end(), column) != ignored.end();
}

IgnoredColumns ignored_columns(std::span<const std::string> entries,
                               const SwarmTable& mixtures,
                               const SwarmTable& scores) {
  constexpr std::string_view kMixtures = "mixtures:", kScores = "scores:";
  std::vector<std::string> known;
  for (const SwarmTable* table : {&mixtures, &scores})
    known.insert(known.end(), table->header.begin(), table->header.end());
  const std::vector<std::string> columns = known;
  for (const std::string& name : mixtures.header)
    known.push_back(fmt::format("{}{}", kMixtures, name));
  for (const std::string& name : scores.header) known.push_back(fmt::format("{}{}", kScores, name));
  IgnoredColumns ignored;
  for (const std::string& entry : joined_to_names(entries, known)) {
    const bool is_column = is_ignored(entry, columns);
    if (!is_column && entry.starts_with(kMixtures)) {
      ignored.mixtures.push_back(entry.substr(kMixtures.size()));
    } else if (!is_column && entry.starts_with(kScores)) {
      ignored.scores.push_back(entry.substr(kScores.size()));
    } else {
      ignored.mixtures.push_back(entry);
      ignored.scores.push_back(entry);
    }
  }
  return ignored;
}

bool is_metadata(std::string_view column) {
  return std::find(kMetadata.begin(), kMetadata.end(), plain(column)) != kMetadata.end();
}

std::optional<std::string> metric_of_errors(const std::string& column) {
  constexpr std::string_view kSuffix = "_stderr";
  const size_t at = column.rfind(kSuffix);
  if (at == std::string::npos) return std::nullopt;
  const std::string rest = column.substr(at + kSuffix.size());
  // lm-evaluation-harness puts the filter behind it.
  if (!rest.empty() && rest.front() != ',') return std::nullopt;
  return column.substr(0, at) + rest;
}

SwarmTable parse_swarm_table(std::string_view text, const std::string& file) {
  refuse_utf16(text, file);
  const size_t skipped = skip_preamble(text);
  const auto records = parse_csv(
      text, skipped == 0 ? file : fmt::format("{} (without its first {} lines)", file, skipped));
  if (records.empty()) throw Error("{}: empty, expected a header and a row per run", file);
  SwarmTable table{.file = file, .header = {}, .rows = {}};
  for (const auto& field : records[0].fields) table.header.emplace_back(without_blanks(field));
  for (size_t r = 1; r < records.size(); ++r) {
    const auto& fields = records[r].fields;
    const size_t line = records[r].line + skipped;
    if (fields.size() != table.header.size()) {
      throw Error("{}:{}: {} fields, but the header has {}",
                  file,
                  line,
                  fields.size(),
                  table.header.size());
    }
    table.rows.push_back({line, {}});
    for (const auto& field : fields) table.rows.back().fields.emplace_back(without_blanks(field));
  }
  if (table.rows.empty()) throw Error("{}: a header without rows", file);
  return table;
}

RunColumns choose_run_columns(const SwarmTable& mixtures,
                              const SwarmTable& scores,
                              const IgnoredColumns& ignored) {
  struct Choice {
    RunColumns columns;
    int remoteness;
  };
  std::vector<Choice> choices;
  const auto consider = [&](size_t m, size_t s, int remoteness) {
    const auto ours = distinct(mixtures, m), theirs = distinct(scores, s);
    const auto joined = std::count_if(ours.begin(), ours.end(), [&](const std::string& run) {
      return !run.empty() && theirs.contains(run);
    });
    choices.push_back(
        {{m, s, static_cast<size_t>(joined), std::nullopt, std::nullopt}, remoteness});
  };
  for (size_t m = 0; m < mixtures.header.size(); ++m) {
    const std::string& name = mixtures.header[m];
    if (is_ignored(name, ignored.mixtures) || is_metadata(name) || !could_name_runs(mixtures, m))
      continue;
    for (size_t s = 0; s < scores.header.size(); ++s) {
      const std::string& theirs = scores.header[s];
      if (same_name(name, theirs) && !is_ignored(theirs, ignored.scores) &&
          could_name_runs(scores, s))
        consider(m, s, remoteness(mixtures, m));
    }
  }
  size_t most = 0;
  for (const Choice& choice : choices) most = std::max(most, choice.columns.joined);
  const size_t most_in_common = most;
  constexpr int kOwn = 6;
  if (most < std::min(mixtures.rows.size(), scores.rows.size()) || choices.empty()) {
    consider(
        own_run_column(mixtures, ignored.mixtures), own_run_column(scores, ignored.scores), kOwn);
    most = std::max(most, choices.back().columns.joined);
  }
  const Choice* best = nullptr;
  for (const Choice& choice : choices) {
    if (2 * choice.columns.joined < most) continue;
    const auto better = [](const Choice& a, const Choice& b) {
      return a.remoteness != b.remoteness ? a.remoteness < b.remoteness
                                          : a.columns.joined > b.columns.joined;
    };
    if (!best || better(choice, *best)) best = &choice;
  }
  RunColumns chosen = best->columns;
  for (const Choice& choice : choices) {
    if (choice.remoteness == kOwn) continue;
    const size_t column = choice.columns.mixtures;
    const std::string words = words_for_column(mixtures, column);
    if (choice.columns.joined == most_in_common && most_in_common > chosen.joined)
      chosen.larger = words;
    const bool tells_runs_apart = distinct(mixtures, column).size() == mixtures.rows.size();
    if (choice.remoteness < best->remoteness && tells_runs_apart) chosen.passed_over = words;
  }
  return chosen;
}

std::vector<std::string> joined_to_names(std::span<const std::string> pieces,
                                         std::span<const std::string> known) {
  std::vector<std::string> names;
  for (size_t i = 0; i < pieces.size();) {
    size_t taken = 1;
    std::string name(without_blanks(pieces[i])), longer = pieces[i];
    for (size_t k = i + 1; k < pieces.size(); ++k) {
      longer += "," + pieces[k];
      const std::string candidate(without_blanks(longer));
      if (std::find(known.begin(), known.end(), candidate) == known.end()) continue;
      name = candidate;
      taken = k + 1 - i;
    }
    names.push_back(std::move(name));
    i += taken;
  }
  return names;
}

}  // namespace demix
