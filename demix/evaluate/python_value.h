// JSON values as Python sees them: what templates and task files of lm-evaluation-harness make of
// rows. null is None, an object a dict, an array a list.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "demix/core/json.h"

namespace demix {

// str(): a text itself, "True", "None", "1.0", "['a', 1]".
std::string python_str(const Json& value);
// repr(): as python_str, but texts in quotes, escaped.
std::string python_repr(const Json& value);
// bool()
bool python_truth(const Json& value);
// a == b, where True equals 1 and 1 equals 1.0.
bool python_equal(const Json& a, const Json& b);
// str.isdigit() of ASCII digits.
bool are_digits(std::string_view text);

// ast.literal_eval() of texts, numbers, True, False, None, lists, tuples and dicts with texts as
// keys; nothing for what is none of these. A tuple becomes a list.
std::optional<Json> python_literal(std::string_view text);

// What an escape sequence in a text between quotes stands for, in Python and in Jinja: `at` is
// behind the backslash and moves behind the sequence. An unknown one stands for itself.
std::string python_escape(std::string_view text, size_t& at);

}  // namespace demix
