// Templates of Jinja as lm-evaluation-harness fills them in: StrictUndefined, trailing line breaks
// kept, the fields of a row as names.
//
// Read: {{ … }}, {% if %} with elif and else, {% for %} with if and else, {% set name = … %}, {# …
// #}, blanks cut by '-'; names, members, elements, slices, texts, numbers, lists, dicts,
// arithmetic, comparisons, 'in', 'and', 'or', 'not', conditions, range(); the filters, tests and
// methods of jinja_functions.h. Everything else (macros, imports, raw, tuples, other functions) is
// refused by name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "demix/core/json.h"

namespace demix {

struct JinjaNode;

class JinjaTemplate {
 public:
  // Throws Error that starts with `where` ("t.yaml:3: doc_to_text").
  static JinjaTemplate parse(std::string_view text, const std::string& where);

  // Both throw Error naming `place` ("a.jsonl: row 3") and the template's place where a field is
  // missing or Python would raise.
  std::string render(const Json& row, const std::string& place) const;
  // The value of a template that is one {{ … }}; else the rendered text.
  Json value(const Json& row, const std::string& place) const;

  bool is_expression() const;  // one {{ … }} and nothing else
  bool is_constant() const;    // does not depend on the row

 private:
  std::shared_ptr<const JinjaNode> tree_;
  std::string where_;
};

}  // namespace demix
