// JSON files from outside.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"

namespace demix {

// Parses a file of at most `most_bytes`. Throws Error, beginning with the path, when it cannot be
// read, is no JSON, or nests so deeply that writing it again would exhaust the stack. `AnyJson` is
// Json, which keeps the order of keys, or for objects of many keys nlohmann::json.
template <typename AnyJson>
AnyJson read_json_file(const std::filesystem::path& path, uint64_t most_bytes) {
  constexpr int kMostDeep = 100;
  std::error_code failed;
  const uint64_t bytes = std::filesystem::file_size(path, failed);
  if (!failed && bytes > most_bytes)
    throw Error("{}: has {} bytes, the most allowed are {}", path.string(), bytes, most_bytes);
  const std::string text = read_file(path);
  try {
    return AnyJson::parse(text, [&](int depth, auto, const AnyJson&) {
      if (depth > kMostDeep) throw Error("{}: nests more than {} deep", path.string(), kMostDeep);
      return true;
    });
  } catch (const nlohmann::json::exception& error) {
    throw Error("{}: not valid JSON: {}", path.string(), printable(error.what()));
  }
}

}  // namespace demix
