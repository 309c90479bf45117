#include "demix/corpus/readers.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

#include "demix/core/error.h"
#include "demix/corpus/columns.h"
#include "demix/corpus/lines.h"
#include "demix/corpus/utf8.h"

namespace demix {
namespace {

// A text file is one document, a longer one several of at most this size: some thousand tokens.
constexpr size_t kTextPieceBytes = 1 << 15;

// The value of four hexadecimal digits at `at`, or -1.
int hex4(std::string_view text, size_t at) {
  if (text.size() < 4 || at > text.size() - 4) return -1;
  int value = 0;
  for (char c : text.substr(at, 4)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = 16 * value + digit;
  }
  return value;
}

// The first escape "\uD800" … "\uDFFF" from `begin` on that is not half of a pair, or npos.
size_t lone_surrogate(std::string_view json, size_t begin = 0) {
  for (size_t at = json.find('\\', begin); at != json.npos; at = json.find('\\', at)) {
    const int unit = json.substr(at).starts_with("\\u") ? hex4(json, at + 2) : -1;
    if (unit < 0xD800 || unit > 0xDFFF) {
      at += 2;
      continue;
    }
    const int next = json.substr(at + 6).starts_with("\\u") ? hex4(json, at + 8) : -1;
    if (unit > 0xDBFF || next < 0xDC00 || next > 0xDFFF) return at;
    at += 12;
  }
  return json.npos;
}

// What is wrong with `text` as UTF-8, in words. It is known to be invalid.
std::string describe_invalid(std::string_view text) {
  const size_t at = valid_utf8_prefix(text);
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    return "invalid UTF-8: the text looks like UTF-16; convert it with 'iconv -f UTF-16 -t UTF-8'";
  }
  return fmt::format(
      "invalid UTF-8 at byte {} (0x{:02X}); mend the file, or set invalid_utf8 to "
      "replace or skip",
      at + 1,
      static_cast<unsigned char>(text[at]));
}

std::string_view name_of(simdjson::dom::element_type type) {
  using simdjson::dom::element_type;
  switch (type) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "true or false";
    case element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

constexpr std::string_view kOneLineEach =
    "; expected one object per line: jq -c '.[]' FILE makes lines of a list, jq -c . of one object";

// Whether the line begins a list or an object that goes on in the next ones.
bool is_opening(std::string_view line) {
  const size_t last = line.find_last_not_of(" \t\r");
  return last != line.npos && (line[last] == '[' || line[last] == '{' || line[0] == '[');
}

class JsonLines : public DocumentReader {
 public:
  JsonLines(const std::filesystem::path& path, const ReaderOptions& options)
      : lines_(path, options.max_document_bytes), options_(options) {}

  std::optional<std::string_view> next() override {
    while (lines_.next()) {
      std::string_view line = lines_.line();
      if (line.find_first_not_of(" \t\r") == line.npos) continue;
      // Stage one of the parser checks UTF-8 too, but only this tells it from other errors first.
      const bool invalid = !is_valid_utf8(line);
      const size_t lone = lone_surrogate(line);
      if (invalid || lone != line.npos) {
        if (options_.invalid_utf8 == InvalidUtf8::kSkip) {
          ++skipped_;
          continue;
        }
        if (options_.invalid_utf8 == InvalidUtf8::kError) {
          if (invalid) throw Error("{}: {}", where(), describe_invalid(line));
          throw Error(
              "{}: invalid UTF-8 at byte {}: '{}' is half of a surrogate pair; mend the file, or "
              "set invalid_utf8 to replace or skip",
              where(),
              lone + 1,
              line.substr(lone, 6));
        }
        line = repaired(line);
      }
      return text_of(line);
    }
    return std::nullopt;
  }

  std::string where() const override { return lines_.where(); }
  int64_t file_bytes() const override { return lines_.file_bytes(); }

 private:
  std::string_view repaired(std::string_view line) {
    repaired_ = replace_invalid_utf8(line);
    for (size_t at = 0; (at = lone_surrogate(repaired_, at)) != std::string::npos; at += 6) {
      repaired_.replace(at + 2, 4, "fffd");
    }
    const size_t size = repaired_.size();
    repaired_.resize(size + LineReader::kPadding);
    return std::string_view(repaired_).substr(0, size);
  }

  std::string_view text_of(std::string_view line) {
    // The whole line is validated: the on-demand parser would not look behind the text.
    simdjson::dom::element document;
    // The line has padding behind it, so it need not be copied.
    if (const auto error = parser_.parse(line.data(), line.size(), false).get(document)) {
      throw Error("{}: not valid JSON: {}{}",
                  where(),
                  simdjson::error_message(error),
                  lines_.number() == 1 && is_opening(line) ? kOneLineEach : "");
    }
    simdjson::dom::object object;
    if (document.get_object().get(object)) {
      throw Error("{}: {}, expected an object with the key '{}'{}",
                  where(),
                  name_of(document.type()),
                  options_.text_field,
                  document.is_array() ? kOneLineEach : "");
    }
    simdjson::dom::element field;
    if (!find_field(object, field)) {
      std::vector<std::string_view> keys;
      for (const auto& entry : object) keys.push_back(entry.key);
      if (keys.size() > 20) keys.resize(20);
      throw Error(
          "{}: no key '{}'; the keys are: {}; set text_field to the one that holds the text",
          where(),
          options_.text_field,
          fmt::join(keys, ", "));
    }
    std::string_view text;
    if (field.is_null()) return text;
    if (field.get_string().get(text)) {
      throw Error(
          "{}: '{}' is {}, expected a string", where(), options_.text_field, name_of(field.type()));
    }
    return text;
  }

  // The value of text_field: of the key of that name, else "a.b" is b within a.
  bool find_field(simdjson::dom::object object, simdjson::dom::element& field) const {
    std::string_view path = options_.text_field;
    while (object.at_key(path).get(field)) {
      const size_t dot = path.find('.');
      if (dot == path.npos || object.at_key(path.substr(0, dot)).get_object().get(object))
        return false;
      path.remove_prefix(dot + 1);
    }
    return true;
  }

  static_assert(LineReader::kPadding >= simdjson::SIMDJSON_PADDING);
  LineReader lines_;
  ReaderOptions options_;
  std::string repaired_;
  simdjson::dom::parser parser_;
};

// Where the first piece of `text` ends: behind a paragraph, or else a line, a word, a character.
size_t piece_end(std::string_view text) {
  if (text.size() <= kTextPieceBytes) return text.size();
  const std::string_view piece = text.substr(0, kTextPieceBytes);
  for (const std::string_view border : {"\n\n", "\n", " "}) {
    const size_t at = piece.rfind(border);
    if (at != piece.npos && at >= kTextPieceBytes / 2) return at + border.size();
  }
  size_t end = piece.size();
  const auto continues = [&](size_t at) { return (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80; };
  while (end > piece.size() - 4 && continues(end)) --end;
  return end;
}

class TextFile : public DocumentReader {
 public:
  TextFile(const std::filesystem::path& path, const ReaderOptions& options)
      : path_(path), options_(options), source_(ByteSource::open(path)) {}

  std::optional<std::string_view> next() override {
    for (bool first = !begun_; (fill(), first || !text_.empty()); first = false) {
      begun_ = true;
      const size_t end = piece_end(text_);
      piece_ = text_.substr(0, end);
      text_.erase(0, end);
      const int64_t line = line_;
      line_ += std::count(piece_.begin(), piece_.end(), '\n');
      if (is_valid_utf8(piece_)) return piece_;
      switch (options_.invalid_utf8) {
        case InvalidUtf8::kSkip:
          ++skipped_;
          continue;
        case InvalidUtf8::kReplace:
          piece_ = replace_invalid_utf8(piece_);
          return piece_;
        default:
          throw Error("{}", invalid_place(line));
      }
    }
    return std::nullopt;
  }

  std::string where() const override { return path_.string(); }
  int64_t file_bytes() const override { return source_->file_bytes(); }

 private:
  // Reads until there is more than a piece, or the file ends.
  void fill() {
    std::array<char, 1 << 16> bytes;
    while (!at_end_ && text_.size() <= kTextPieceBytes) {
      const size_t size = source_->read(bytes);
      at_end_ = size == 0;
      for (size_t i = 0; i < size; ++i) {
        if (bytes[i] == '\n' && text_.ends_with('\r'))
          text_.back() = '\n';
        else
          text_ += bytes[i];
      }
      if (!begun_ && text_.starts_with(kByteOrderMark)) text_.erase(0, kByteOrderMark.size());
    }
  }

  // Message and place refer to the line, as an editor shows it. The piece begins in line `line`.
  std::string invalid_place(int64_t line) const {
    const size_t at = valid_utf8_prefix(piece_);
    const auto lines =
        std::count(piece_.begin(), piece_.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    const size_t line_begin = at == 0 ? 0 : piece_.rfind('\n', at - 1) + 1;  // npos + 1 is 0
    return fmt::format("{}:{}: {}",
                       path_.string(),
                       line + lines,
                       describe_invalid(std::string_view(piece_).substr(line_begin)));
  }

  std::filesystem::path path_;
  ReaderOptions options_;
  std::unique_ptr<ByteSource> source_;
  bool begun_ = false, at_end_ = false;
  std::string text_, piece_;  // what was read and not given, what was given last
  int64_t line_ = 1;          // in which text_ begins
};

class ColumnFile : public DocumentReader {
 public:
  ColumnFile(const std::filesystem::path& path, const ReaderOptions& options)
      : path_(path), options_(options), column_(path, options.text_field) {
    std::error_code error;
    bytes_ = static_cast<int64_t>(std::filesystem::file_size(path, error));
  }

  std::optional<std::string_view> next() override {
    while (column_.next()) {
      const std::string_view text = column_.text();
      if (static_cast<int64_t>(text.size()) > options_.max_document_bytes) {
        throw Error(
            "{}: a document of more than {} bytes; if that is meant, raise "
            "corpus.max_document_bytes",
            where(),
            options_.max_document_bytes);
      }
      if (is_valid_utf8(text)) return text;
      if (options_.invalid_utf8 == InvalidUtf8::kError) {
        throw Error("{}: {}", where(), describe_invalid(text));
      }
      if (options_.invalid_utf8 == InvalidUtf8::kReplace) {
        repaired_ = replace_invalid_utf8(text);
        return repaired_;
      }
      ++skipped_;
    }
    return std::nullopt;
  }

  std::string where() const override {
    return fmt::format("{}: row {}", path_.string(), column_.row());
  }
  // An estimate: the format does not say where in the file a row lies.
  int64_t file_bytes() const override {
    const auto rows = static_cast<double>(std::max<int64_t>(column_.rows(), 1));
    const double share = std::min(1.0, static_cast<double>(column_.row()) / rows);
    return static_cast<int64_t>(static_cast<double>(bytes_) * share);
  }

 private:
  std::filesystem::path path_;
  ReaderOptions options_;
  TextColumn column_;
  int64_t bytes_ = 0;
  std::string repaired_;
};

constexpr std::array<std::string_view, 3> kLineSuffixes = {".jsonl", ".json", ".txt"};

}  // namespace

InvalidUtf8 invalid_utf8_policy(std::string_view name) {
  if (name == "error") return InvalidUtf8::kError;
  if (name == "replace") return InvalidUtf8::kReplace;
  if (name == "skip") return InvalidUtf8::kSkip;
  throw Error("invalid_utf8: '{}', expected error, replace or skip", name);
}

bool is_document_file(const std::filesystem::path& path) {
  return is_column_file(path) ||
         std::find(kLineSuffixes.begin(), kLineSuffixes.end(), format_suffix(path)) !=
             kLineSuffixes.end();
}

std::unique_ptr<DocumentReader> open_documents(const std::filesystem::path& path,
                                               const ReaderOptions& options) {
  if (is_column_file(path)) return std::make_unique<ColumnFile>(path, options);
  const std::string suffix = format_suffix(path);
  if (suffix == ".txt") return std::make_unique<TextFile>(path, options);
  if (suffix == ".jsonl" || suffix == ".json") return std::make_unique<JsonLines>(path, options);
  throw Error(
      "{}: unknown kind of file; expected .jsonl, .json or .txt (also with .gz or .zst behind), "
      ".parquet or .arrow",
      path.string());
}

}  // namespace demix
