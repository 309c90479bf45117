// The small part of Jinja that most benchmark files of lm-evaluation-harness use, translated into
// our prompts (prompt.h):
//
//   {{field}}, {{a.b}}, {{a['b']}}, {{a[0]}}     a place in the row
//   {{x|trim}}, {{x.strip()}}                    strip; {{x.lstrip()}}: strip_left
//   {{x|capitalize}}, {{x.capitalize()}}         capitalize
//   {{[a, b.c, 'text']}}                         a list, where choices are asked for
//   {{a.index(b)}}                               a label's number, where the target is asked for
//
// Statements, comments, arithmetic and everything else are refused. All functions throw Error that
// starts with `where`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

// Text with {{…}} in it as one of our prompts.
std::string prompt_of_jinja(std::string_view text, const std::string& where);

// The elements of a text that is one {{[…]}}; nothing for other texts.
std::optional<std::vector<std::string>> list_of_jinja(std::string_view text,
                                                      const std::string& where);

// {{list.index(value)}}, both as prompts.
struct LabelIndex {
  std::string list, value;
};
// Of a text that is one such expression; nothing for other texts.
std::optional<LabelIndex> index_of_jinja(std::string_view text, const std::string& where);

// Whether `text` can be a field's name: the harness takes it for one where the data have it.
bool is_jinja_name(std::string_view text);

}  // namespace demix
