// Parquet and Arrow files, through Arrow's C++ library; the one place that sees its headers is
// columns.cc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demix/core/json.h"

namespace demix {

// ".parquet" or ".arrow" (Arrow's file and stream formats are told apart by content).
bool is_column_file(const std::filesystem::path& path);

// The texts of one column, row by row, one record batch in memory at a time. The column may be
// string, large_string, binary, large_binary, or a dictionary of those. Throws Error naming the
// columns there are when it is missing or of another type, and on damaged files.
class TextColumn {
 public:
  TextColumn(const std::filesystem::path& path, const std::string& column);
  ~TextColumn();
  // False at the end. A null is an empty text.
  bool next();
  std::string_view text() const;  // valid until `next`; not checked to be UTF-8
  int64_t row() const;            // from 1
  int64_t rows() const;           // of the file; 0 when the format does not say
 private:
  struct State;
  std::unique_ptr<State> state_;
};

// At most `limit` rows as JSON objects, 0: all; see read_rows.
std::vector<Json> read_column_rows(const std::filesystem::path& path, int64_t limit);

}  // namespace demix
