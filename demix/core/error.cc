#include "demix/core/error.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <numeric>
#include <vector>

namespace demix {

namespace {

// libtorch appends where it was thrown; the standard library says "filesystem error: status: ".
std::string text_of(const std::exception& error) {
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&error))
    return fmt::format("{}: {}", file->path1().string(), file->code().message());
  if (dynamic_cast<const std::bad_alloc*>(&error))
    return "there is not enough memory; make what the configuration asks for smaller, or take a "
           "machine with more";
  std::string text = error.what();
  for (const char* trace : {"\nException raised from ", "\nframe #0: "})
    text.resize(std::min(text.size(), text.find(trace)));
  return text;
}

}  // namespace

std::string error_chain(const std::exception& error) {
  std::string text = text_of(error);
  try {
    std::rethrow_if_nested(error);
  } catch (const std::exception& cause) {
    text += "\n  because: " + error_chain(cause);
  } catch (...) {
    text += "\n  because of an unknown error";
  }
  return text;
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: internal check failed: %s\n", file, line, condition);
  std::abort();
}

std::string printable(std::string_view text, size_t limit) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    if (result.size() >= limit) return result + "…";
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = byte < 0x80       ? 1
                          : byte >> 5 == 6  ? 2
                          : byte >> 4 == 14 ? 3
                          : byte >> 3 == 30 ? 4
                                            : 0;
    bool whole = length > 0 && length <= text.size() - i;
    for (size_t j = 1; whole && j < length; ++j)
      whole = static_cast<unsigned char>(text[i + j]) >> 6 == 2;
    if (!whole) {
      result += "\uFFFD";
      ++i;
      continue;
    }
    // The control characters beyond ASCII, U+0080 to U+009F, move terminals' cursors as well.
    const bool control = byte < 0x20 || byte == 0x7f ||
                         (byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0);
    if (control)
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i + length - 1]));
    else
      result += text.substr(i, length);
    i += length;
  }
  return result;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitution = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
    }
  }
  return row[b.size()];
}

}  // namespace demix
