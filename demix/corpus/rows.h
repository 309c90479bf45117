// Small tables, such as benchmark files, read whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "demix/core/json.h"

namespace demix {

// The rows of a .jsonl (also .gz, .zst), .parquet or .arrow (stream or file) as JSON objects, in
// file order; at most `limit` of them, the first ones, 0: all. Strings, integers, floats, booleans,
// lists, structs and null keep their type; NaN becomes null; dates and decimals become text. Throws
// Error with file and line or row on bad input; an empty file is an empty vector.
std::vector<Json> read_rows(const std::filesystem::path& path, int64_t limit = 0);

// "arc_easy_test.jsonl: row 3" for the row at `index` (from 0) of what read_rows gave.
std::string row_place(const std::filesystem::path& path, size_t index);

}  // namespace demix
