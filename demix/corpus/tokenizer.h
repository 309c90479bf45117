// Byte-level BPE tokenizers as Hugging Face's tokenizer.json describes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

// Gives the ids that the `tokenizers` library gives. Immutable once loaded; copies share their
// tables.
class Tokenizer {
 public:
  // Reads a tokenizer.json, or the folder that holds one; tokenizer_config.json beside it is read
  // for the end-of-text token. Throws Error naming every part of the file that is not supported.
  static Tokenizer load(const std::filesystem::path& path);

  // Appends the ids of `text`. With add_special_tokens, what the post-processor puts around a
  // sequence (such as BOS) is included. Added tokens inside `text` are recognised. Each maximal bad
  // part of invalid UTF-8 is read as U+FFFD, as Python's errors="replace" does. Safe from several
  // threads.
  void encode(std::string_view text, bool add_special_tokens, std::vector<int32_t>& ids) const;
  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens = false) const;

  // The text of `ids`, special tokens included. Bytes that are not UTF-8 together become U+FFFD;
  // ids that no token has are skipped (models often have more rows than their tokenizer has
  // tokens).
  std::string decode(std::span<const int32_t> ids) const;

  // The largest id + 1.
  int32_t vocabulary_size() const;
  std::optional<int32_t> id_of(std::string_view token) const;
  // bos_token and eos_token of tokenizer_config.json, if it names them.
  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  // The ids that the post-processor puts before a sequence (BOS); often empty.
  std::span<const int32_t> prefix() const;
  // SHA-256 of what determines the ids.
  const std::string& fingerprint() const;

 private:
  struct Model;
  explicit Tokenizer(std::shared_ptr<const Model> model);
  std::shared_ptr<const Model> model_;
};

}  // namespace demix
