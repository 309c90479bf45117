// Comma-separated values as RFC 4180 has them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

struct CsvRecord {
  size_t line;  // from 1, where it begins
  std::vector<std::string> fields;
};

// Fields in double quotes may hold commas, line ends and doubled quotes. Accepts any line ends and
// a byte order mark, skips empty lines. Throws Error with `name` and the line.
std::vector<CsvRecord> parse_csv(std::string_view text, const std::string& name);

}  // namespace demix
