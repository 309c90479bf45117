// Comma-separated values as RFC 4180 has them, or with semicolons or tabs in their place.
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

// Fields are separated by whichever of comma, semicolon and tab the header has most of; those in
// double quotes may hold separators, line ends and doubled quotes. Accepts any line ends and a byte
// order mark, skips empty lines. Throws Error with `name` and the line.
std::vector<CsvRecord> parse_csv(std::string_view text, const std::string& name);

}  // namespace demix
