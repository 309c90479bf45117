// Documents of raw text files, one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace demix {

enum class InvalidUtf8 {
  kError,
  kReplace,  // each maximal bad part becomes U+FFFD, as with Python's errors="replace"
  kSkip,     // the document is left out
};
// "error", "replace" or "skip"; throws Error otherwise.
InvalidUtf8 invalid_utf8_policy(std::string_view name);

struct ReaderOptions {
  std::string text_field = "text";
  InvalidUtf8 invalid_utf8 = InvalidUtf8::kError;
  int64_t max_document_bytes = 1 << 26;  // of a line or row; a longer one is an Error
};

// Streams a file's documents in constant memory. Every failure throws Error with file and line.
class DocumentReader {
 public:
  virtual ~DocumentReader() = default;
  // The next document's text, valid UTF-8, valid until the next call; nullopt at the end.
  virtual std::optional<std::string_view> next() = 0;
  // The document that `next` gave last: "a.jsonl:12", "b.parquet: row 12".
  virtual std::string where() const = 0;
  // Bytes of the file that were read so far, for progress.
  virtual int64_t file_bytes() const = 0;
  // Documents left out because of InvalidUtf8::kSkip.
  int64_t skipped() const { return skipped_; }

 protected:
  int64_t skipped_ = 0;
};

// Chooses by suffix, with .gz or .zst behind it or not:
//   .jsonl, .json     one JSON object per line; `text_field` holds the text, "a.b" that within an
//                     object; null is an empty text, blank lines are no documents
//   .txt              the whole file is one document, a file of more than 32 KiB several, divided
//                     between paragraphs where it has them; CRLF becomes LF
//   .parquet, .arrow  (not compressed as a whole) a column of strings; null is an empty text
// In JSON, a lone surrogate escape ("\ud800") is invalid UTF-8 of its line. Byte order marks are
// dropped.
std::unique_ptr<DocumentReader> open_documents(const std::filesystem::path& path,
                                               const ReaderOptions& options);

// Whether open_documents knows the file's suffix.
bool is_document_file(const std::filesystem::path& path);

}  // namespace demix
