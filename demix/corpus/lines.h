// Files as bytes and as lines, decompressed by their suffix (.gz, .zst) while they are read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

// Not part of the text that it begins.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Every failure throws Error: missing file, truncated or damaged compressed data.
class ByteSource {
 public:
  static std::unique_ptr<ByteSource> open(const std::filesystem::path& path);
  virtual ~ByteSource() = default;
  // Fills the beginning of `out`, which is not empty; 0 means the end of the file.
  virtual size_t read(std::span<char> out) = 0;
  // Bytes of the file, before decompression, that were read so far.
  virtual int64_t file_bytes() const = 0;
};

// Lines of any length up to a limit, in constant memory. A byte order mark at the beginning of the
// file and the line ends, LF or CRLF, are not part of a line.
class LineReader {
 public:
  // Bytes behind a line that may be read, as simdjson wants it.
  static constexpr size_t kPadding = 64;

  LineReader(const std::filesystem::path& path, int64_t max_line_bytes);
  // False at the end. Throws Error naming file and line when a line is too long.
  bool next();
  std::string_view line() const { return line_; }  // valid until `next`
  int64_t number() const { return number_; }       // from 1
  std::string where() const;                       // "corpus/a.jsonl.gz:12"
  int64_t file_bytes() const { return source_->file_bytes(); }

 private:
  std::string path_;
  std::unique_ptr<ByteSource> source_;
  size_t max_line_bytes_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // unread part of the buffer
  bool at_end_ = false;
  std::string_view line_;
  int64_t number_ = 0;
};

// "a.jsonl.gz" -> ".jsonl": the suffix that tells the format, in lower case.
std::string format_suffix(const std::filesystem::path& path);

}  // namespace demix
