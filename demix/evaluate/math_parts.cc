#include "demix/evaluate/math_parts.h"

#include <algorithm>
#include <array>

namespace demix {
namespace {

constexpr std::array<std::string_view, 4> kOpen{"(", "[", "{", "\\{"};
constexpr std::array<std::string_view, 4> kClose{")", "]", "}", "\\}"};

template <typename Words>
std::string_view word_at(std::string_view text, const Words& words) {
  for (const std::string_view word : words)
    if (text.starts_with(word)) return word;
  return {};
}

// Calls visit(position, depth before it) for every piece; a bracket or a command is one piece.
// False when brackets close that are not open.
template <typename Visit>
bool walk(std::string_view text, const Visit& visit) {
  int depth = 0;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const std::string_view open = word_at(rest, kOpen);
    const std::string_view close = word_at(rest, kClose);
    visit(i, depth);
    if (!open.empty()) ++depth;
    if (!close.empty() && --depth < 0) return false;
    i += std::max<size_t>({open.size(), close.size(), rest.starts_with("\\\\") ? 2U : 1U});
  }
  return depth == 0;
}

}  // namespace

std::vector<std::string_view> split_outside_brackets(std::string_view text,
                                                     std::string_view separator) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  walk(text, [&](size_t i, int depth) {
    if (depth > 0 || i < begin || !text.substr(i).starts_with(separator)) return;
    parts.push_back(text.substr(begin, i - begin));
    begin = i + separator.size();
  });
  parts.push_back(text.substr(begin));
  return parts;
}

std::optional<Bracketed> as_bracketed(std::string_view text) {
  const std::string_view open = word_at(text, kOpen);
  if (open.empty()) return std::nullopt;
  size_t pieces_outside = 0;
  size_t last = 0;
  const bool balanced = walk(text, [&](size_t i, int depth) {
    if (depth == 0) ++pieces_outside;
    last = i;
  });
  const std::string_view close = text.substr(last);
  // Only the opening bracket itself lies outside of it.
  if (!balanced || pieces_outside != 1 || word_at(close, kClose) != close || close.empty())
    return std::nullopt;
  return Bracketed{open, text.substr(open.size(), last - open.size()), close};
}

std::optional<Matrix> as_matrix(std::string_view text) {
  constexpr std::string_view kBegin = "\\begin{";
  if (!text.starts_with(kBegin)) return std::nullopt;
  const size_t brace = text.find('}');
  if (brace == std::string_view::npos) return std::nullopt;
  std::string name(text.substr(kBegin.size(), brace - kBegin.size()));
  const std::string end = "\\end{" + name + "}";
  if (!name.ends_with("matrix") || text.find(end) + end.size() != text.size()) return std::nullopt;
  std::string_view cells = text.substr(brace + 1, text.size() - end.size() - brace - 1);
  if (cells.ends_with("\\\\")) cells.remove_suffix(2);
  if (name == "bmatrix") name = "pmatrix";
  Matrix matrix{std::move(name), {}};
  for (const std::string_view row : split_outside_brackets(cells, "\\\\"))
    matrix.rows.push_back(split_outside_brackets(row, "&"));
  return matrix;
}

}  // namespace demix
