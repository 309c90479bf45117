#include "demix/core/csv.h"

#include "demix/core/error.h"

namespace demix {
namespace {

// What separates the fields: the one of comma, semicolon and tab that the header has most often.
char separator_of(std::string_view text) {
  const std::string_view header = text.substr(0, text.find_first_of("\r\n"));
  char best = ',';
  size_t most = 0;
  for (const char separator : {',', ';', '\t'}) {
    size_t count = 0;
    bool quoted = false;
    for (const char c : header) {
      if (c == '"') quoted = !quoted;
      if (c == separator && !quoted) ++count;
    }
    if (count > most) {
      best = separator;
      most = count;
    }
  }
  return best;
}

}  // namespace

std::vector<CsvRecord> parse_csv(std::string_view text, const std::string& name) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const char separator = separator_of(text);
  std::vector<CsvRecord> records;
  CsvRecord record{1, {}};
  std::string field;
  size_t line = 1;
  bool was_quoted = false;
  const auto end_field = [&] {
    record.fields.push_back(std::move(field));
    field.clear();
    was_quoted = false;
  };
  const auto end_record = [&] {
    const bool empty = record.fields.empty() && field.empty() && !was_quoted;
    if (!empty) {
      end_field();
      records.push_back(std::move(record));
    }
    record = {line, {}};
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && field.empty() && !was_quoted) {
      was_quoted = true;
      const size_t opened = line;
      for (++i;; ++i) {
        if (i >= text.size()) throw Error("{}:{}: a quoted field is never closed", name, opened);
        if (text[i] == '\n') ++line;
        if (text[i] != '"') {
          field += text[i];
        } else if (i + 1 < text.size() && text[i + 1] == '"') {
          field += text[++i];
        } else {
          break;
        }
      }
    } else if (c == separator) {
      end_field();
    } else if (c == '\n' || c == '\r') {
      if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
      ++line;
      end_record();
    } else if (was_quoted) {
      throw Error("{}:{}: text after the closing quote of a field", name, line);
    } else {
      field += c;
    }
  }
  end_record();
  return records;
}

}  // namespace demix
