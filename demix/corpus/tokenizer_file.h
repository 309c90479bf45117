// Hugging Face's tokenizer.json, read and checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "demix/corpus/added_tokens.h"
#include "demix/corpus/bpe.h"
#include "demix/corpus/pretokenizer.h"

namespace demix {

// What the file says, as far as it determines ids.
struct TokenizerFile {
  std::vector<std::pair<std::string, int32_t>>
      vocabulary;                  // in the file's order; symbols, not bytes
  std::vector<Bpe::Merge> merges;  // by rank
  int32_t unknown = -1;
  bool fuse_unknown = false;
  bool ignore_merges = false;
  std::vector<AddedToken> added_tokens;
  bool nfc = false;
  std::vector<PreTokenizer::Step> pre_tokenizer;
  std::vector<int32_t> prefix, suffix;  // what the post-processor puts around a sequence
  std::string fingerprint;              // SHA-256 of all of the above
};

// Throws Error that lists everything in the file that is wrong or not supported, each with its
// place.
TokenizerFile read_tokenizer_file(const std::filesystem::path& path);

// The token that a tokenizer_config.json names as `role` ("bos_token", "eos_token"); empty when
// there is none.
std::string read_special_token(const std::filesystem::path& path, std::string_view role);

}  // namespace demix
