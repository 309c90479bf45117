// Tokenised documents of one dataset split, memory-mapped.
//
// A document is stored as  start token, text tokens[, end token]:  start is the tokenizer's BOS if
// it adds one, else its EOS; the end token (EOS) is stored only where it differs from start. So
// with one separator token every token of the stream is a valid target: a document's last token
// predicts the separator that opens the next one. The separator of a shard is that EOS (BOS where
// there is no EOS).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace demix {

// Read-only and safe from several threads. Tokens are 2 bytes when the vocabulary fits, else 4.
class Shard {
 public:
  // Opens PATH.tokens and PATH.documents; throws Error when they are damaged or disagree.
  static Shard open(const std::filesystem::path& path);

  int64_t tokens() const;
  int64_t documents() const;
  // UTF-8 bytes of the documents' text.
  int64_t text_bytes() const;
  // Of the tokenizer that made it: every token is below.
  int32_t vocabulary_size() const;
  // The token that ends a document; where documents begin with it, it is stored only there.
  int32_t separator() const;
  // Token offsets at which documents begin, and tokens() at the end: documents() + 1 values.
  std::span<const uint64_t> offsets() const;
  // UTF-8 bytes of document i's text.
  int64_t text_bytes(int64_t document) const;
  // Copies tokens [begin, begin + out.size()).
  void copy(int64_t begin, std::span<int32_t> out) const;
  // Content key: SHA-256 of tokens and borders, computed once when the shard was written.
  const std::string& hash() const;
  // Reads everything; throws Error when the content no longer has its hash or holds a token outside
  // the vocabulary.
  void verify() const;

 private:
  struct Mapping;
  std::shared_ptr<const Mapping> mapping_;
};

// Writes a shard; `finish` makes both files appear under their final names. Both carry the hash, so
// that files of two different writes are never taken for one shard. Throws Error when the disk is
// full.
class ShardWriter {
 public:
  // Overwrites an existing shard, at `finish`.
  ShardWriter(std::filesystem::path path, int32_t vocabulary_size, int32_t separator);
  ~ShardWriter();  // without `finish`, nothing remains
  ShardWriter(ShardWriter&&) noexcept;
  // `document` as described above, at least its start token; text_bytes < 2^32.
  void add(std::span<const int32_t> document, int64_t text_bytes);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace demix
