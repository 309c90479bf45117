#include "demix/corpus/rows.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/corpus/columns.h"
#include "demix/corpus/lines.h"
#include "demix/corpus/utf8.h"

namespace demix {
namespace {

// A benchmark's row is far shorter; a longer line is some other file.
constexpr int64_t kMaxLineBytes = 1 << 26;

std::vector<Json> read_line_rows(const std::filesystem::path& path, int64_t limit) {
  std::vector<Json> rows;
  LineReader lines(path, kMaxLineBytes);
  while ((limit == 0 || static_cast<int64_t>(rows.size()) < limit) && lines.next()) {
    const std::string_view line = lines.line();
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    if (!is_valid_utf8(line)) {
      throw Error("{}: invalid UTF-8 at byte {}", lines.where(), valid_utf8_prefix(line) + 1);
    }
    try {
      rows.push_back(Json::parse(line));
    } catch (const Json::exception& error) {
      throw Error("{}: not valid JSON: {}", lines.where(), error.what());
    }
    if (!rows.back().is_object()) {
      throw Error("{}: {}, expected an object", lines.where(), rows.back().type_name());
    }
  }
  return rows;
}

}  // namespace

std::vector<Json> read_rows(const std::filesystem::path& path, int64_t limit) {
  if (is_column_file(path)) return read_column_rows(path, limit);
  const std::string suffix = format_suffix(path);
  if (suffix == ".jsonl" || suffix == ".json") return read_line_rows(path, limit);
  throw Error(
      "{}: unknown kind of file; expected .jsonl (also .gz or .zst behind), .parquet or .arrow",
      path.string());
}

std::string row_place(const std::filesystem::path& path, size_t index) {
  return fmt::format("{}: row {}", path.string(), index + 1);
}

}  // namespace demix
