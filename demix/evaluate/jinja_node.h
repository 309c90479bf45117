// A template of Jinja as a tree.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "demix/core/json.h"

namespace demix {

struct JinjaNode {
  enum class Kind {
    // of the template
    kText,    // name: the text
    kOutput,  // {{ parts[0] }}
    kIf,      // parts[0], then the body `parts[1]`, else the body `parts[2]`
    kFor,  // names in parts[0], where parts[1] holds: body parts[2], or parts[3] if there were none
    kSet,  // names[0] = parts[0]
    kBody,  // parts
    // of expressions
    kConstant,   // value
    kName,       // name
    kList,       // parts
    kDict,       // parts: key, value, key, value, …
    kAttribute,  // parts[0].name
    kItem,       // parts[0][parts[1]]
    kSlice,      // parts[0][parts[1]:parts[2]:parts[3]]
    kMethod,     // parts[0].name(parts[1], …); keywords are named in `names`
    kFunction,   // name(parts…)
    kFilter,     // parts[0]|name(parts[1], …)
    kTest,       // parts[0] is name(parts[1], …)
    kNot,
    kUnary,    // name: + or -
    kBinary,   // name: + - * / // % ** ~
    kCompare,  // parts[0] names[0] parts[1] names[1] parts[2] …
    kAnd,
    kOr,
    kCondition,  // parts[1] if parts[0] else parts[2]
    kAbsent,     // what is left out: a bound of a slice, the else of a condition
  };
  Kind kind = Kind::kAbsent;
  std::string name;
  std::vector<std::string> names;
  Json value;
  std::vector<JinjaNode> parts;
};

// The tree of a template. Throws Error, starting with `where`, on what is wrong or not read here.
JinjaNode parse_jinja(std::string_view text, const std::string& where);

}  // namespace demix
