#include "demix/evaluate/jinja_functions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "demix/core/error.h"
#include "demix/evaluate/python_regex.h"
#include "demix/evaluate/python_value.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

using Arguments = std::span<const Json>;

// "text", "list", … of a message.
std::string_view type_of(const Json& value) {
  if (value.is_null()) return "None";
  if (value.is_string()) return "a text";
  if (value.is_boolean()) return "a truth value";
  if (value.is_number()) return "a number";
  return value.is_array() ? "a list" : "a dict";
}

[[noreturn]] void fail(std::string_view what, const Json& value) {
  throw JinjaError(
      fmt::format("{} of {} ({})", what, type_of(value), printable(python_repr(value), 60)));
}

const std::string& text_of(const Json& value, std::string_view what) {
  if (!value.is_string()) fail(what, value);
  return value.get_ref<const std::string&>();
}

constexpr double kBeyondIntegers = 9.2e18;

bool is_integer(const Json& value) { return value.is_number_integer() || value.is_boolean(); }
bool is_number(const Json& value) { return value.is_number() || value.is_boolean(); }

int64_t integer_of(const Json& value, std::string_view what) {
  if (!is_integer(value)) fail(what, value);
  return value.is_boolean() ? value.get<bool>() : value.get<int64_t>();
}
double real_of(const Json& value) {
  return value.is_boolean() ? value.get<bool>() : value.get<double>();
}

void expect_count(Arguments arguments, size_t least, size_t most, std::string_view name) {
  if (arguments.size() < least || arguments.size() > most)
    throw JinjaError(fmt::format("{}() with {} arguments", name, arguments.size()));
}

Json length_of(const Json& value) {
  if (value.is_string()) return code_points(value.get_ref<const std::string&>()).size();
  if (value.is_array() || value.is_object()) return value.size();
  fail("the length", value);
}

void check_size(size_t size) {
  if (size > kMaxJinjaText) throw JinjaError("a value of more than 64 MiB");
}

Json joined(const Json& values, const std::string& separator, bool as_texts) {
  std::string text;
  bool first = true;
  for (const Json& element : jinja_elements(values)) {
    check_size(text.size());
    if (!first) text += separator;
    first = false;
    text += as_texts ? python_str(element) : text_of(element, "join()");
  }
  return text;
}

// str.strip(characters) and its halves.
Json stripped(const std::string& text, Arguments arguments, bool left, bool right) {
  std::u32string points = code_points(text);
  const bool has_set = !arguments.empty() && !arguments[0].is_null();
  const std::u32string set = has_set ? code_points(text_of(arguments[0], "strip()")) : U"";
  const auto goes = [&](char32_t c) {
    return has_set ? set.find(c) != std::u32string::npos : is_space(c);
  };
  size_t begin = 0, end = points.size();
  while (left && begin < end && goes(points[begin])) ++begin;
  while (right && end > begin && goes(points[end - 1])) --end;
  return utf8(std::u32string_view(points).substr(begin, end - begin));
}

// str.split(): between blanks, or at a separator; at most `most` times.
Json split(const std::string& text, Arguments arguments, bool from_right) {
  int64_t most = arguments.size() > 1 ? integer_of(arguments[1], "split()") : -1;
  Json parts = Json::array();
  if (arguments.empty() || arguments[0].is_null()) {
    if (from_right && most >= 0) throw JinjaError("rsplit() of blanks with a number");
    const std::u32string points = code_points(text);
    std::u32string_view rest = points;
    const auto skip_blanks = [&rest] {
      while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
    };
    for (skip_blanks(); !rest.empty(); skip_blanks()) {
      if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
        parts.push_back(strip_right(utf8(rest)));
        break;
      }
      size_t size = 0;
      while (size < rest.size() && !is_space(rest[size])) ++size;
      parts.push_back(utf8(rest.substr(0, size)));
      rest.remove_prefix(size);
    }
    return parts;
  }
  const std::string& separator = text_of(arguments[0], "split()");
  if (separator.empty()) throw JinjaError("split() at an empty text");
  std::string_view rest = text;
  std::vector<std::string> found;
  while (most != 0) {
    const size_t at = from_right ? rest.rfind(separator) : rest.find(separator);
    if (at == std::string_view::npos) break;
    found.emplace_back(from_right ? rest.substr(at + separator.size()) : rest.substr(0, at));
    rest = from_right ? rest.substr(0, at) : rest.substr(at + separator.size());
    --most;
  }
  found.emplace_back(rest);
  if (from_right) std::reverse(found.begin(), found.end());
  for (std::string& part : found) parts.push_back(std::move(part));
  return parts;
}

Json replaced(const std::string& text, Arguments arguments, std::string_view name) {
  expect_count(arguments, 2, 3, name);
  const std::string& from = text_of(arguments[0], name);
  const std::string& to = text_of(arguments[1], name);
  if (from.empty()) throw JinjaError(fmt::format("{}() of an empty text", name));
  int64_t most =
      arguments.size() > 2 && !arguments[2].is_null() ? integer_of(arguments[2], name) : -1;
  std::string result;
  std::string_view rest = text;
  for (size_t at; most != 0 && (at = rest.find(from)) != std::string_view::npos; --most) {
    result += rest.substr(0, at);
    result += to;
    check_size(result.size());
    rest.remove_prefix(at + from.size());
  }
  return result += rest;
}

// int(): of a number without its fraction, of a text that is a whole number.
Json to_integer(const Json& value, Arguments arguments) {
  const Json otherwise = arguments.empty() ? Json(0) : arguments[0];
  if (is_integer(value)) return integer_of(value, "int");
  if (value.is_number()) {
    const double real = value.get<double>();
    if (!(std::abs(real) < kBeyondIntegers)) throw JinjaError("a number beyond 64 bits");
    return static_cast<int64_t>(real);
  }
  if (!value.is_string()) return otherwise;
  std::string digits(strip(value.get_ref<const std::string&>()));
  if (digits.starts_with('+')) digits.erase(0, 1);
  int64_t integer = 0;
  const char* end = digits.data() + digits.size();
  if (const auto parsed = std::from_chars(digits.data(), end, integer);
      parsed.ec == std::errc() && parsed.ptr == end)
    return integer;
  double real = 0;
  if (const auto parsed = std::from_chars(digits.data(), end, real);
      parsed.ec == std::errc() && parsed.ptr == end && std::abs(real) < 9e15)
    return static_cast<int64_t>(real);
  return otherwise;
}

Json to_real(const Json& value, Arguments arguments) {
  const Json otherwise = arguments.empty() ? Json(0.0) : arguments[0];
  if (is_number(value)) return real_of(value);
  if (!value.is_string()) return otherwise;
  const std::string digits(strip(value.get_ref<const std::string&>()));
  double real = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, real);
  return parsed.ec == std::errc() && parsed.ptr == end ? Json(real) : otherwise;
}

// "a.b" or "0" of map(attribute=…) and join(attribute=…).
Json attribute_of(const Json& value, const std::string& path) {
  const size_t dot = path.find('.');
  const std::string step = path.substr(0, dot);
  Json made;
  int64_t number = 0;
  const auto parsed = std::from_chars(step.data(), step.data() + step.size(), number);
  const bool is_number = are_digits(step) && parsed.ec == std::errc();
  const Json index = is_number ? Json(number) : Json(step);
  const Json* member = jinja_member(value, index, made);
  if (!member)
    throw JinjaError(
        fmt::format("no '{}' in {}", printable(step, 60), printable(python_repr(value), 60)));
  return dot == std::string::npos ? *member : attribute_of(*member, path.substr(dot + 1));
}

const Json* keyword(const JinjaArguments& arguments, std::string_view name) {
  const size_t first = arguments.positional.size() - arguments.keywords.size();
  for (size_t i = 0; i < arguments.keywords.size(); ++i)
    if (arguments.keywords[i] == name) return &arguments.positional[first + i];
  return nullptr;
}

using Filter = Json (*)(const Json& value, const JinjaArguments& arguments);
struct NamedFilter {
  std::string_view name;
  Filter apply;
};

std::string as_text(const Json& value) { return python_str(value); }

Json regex_replaced(const Json& value, const JinjaArguments& a) {
  expect_count(a.positional, 2, 2, "regex_replace");
  const std::string& text = text_of(value, "regex_replace");
  const std::string& by = text_of(a.positional[1], "regex_replace");
  if (by.find('\\') != std::string::npos) throw JinjaError("regex_replace() by a text with '\\'");
  try {
    const PythonRegex regex(text_of(a.positional[0], "regex_replace"));
    check_size((text.size() + 1) * std::max<size_t>(by.size(), 1));
    if (a.work) a.work->spend(regex.cost(text.size()) / 16);
    return regex.replace(text, by);
  } catch (const Error& error) {
    throw JinjaError(error.what());
  }
}

const std::array<NamedFilter, 18> kFilters{{
    {"trim",
     [](const Json& value, const JinjaArguments& a) {
       return stripped(as_text(value), a.positional, true, true);
     }},
    {"capitalize",
     [](const Json& value, const JinjaArguments&) { return Json(capitalize(as_text(value))); }},
    {"lower", [](const Json& value, const JinjaArguments&) { return Json(lower(as_text(value))); }},
    {"upper", [](const Json& value, const JinjaArguments&) { return Json(upper(as_text(value))); }},
    {"string", [](const Json& value, const JinjaArguments&) { return Json(as_text(value)); }},
    {"int",
     [](const Json& value, const JinjaArguments& a) { return to_integer(value, a.positional); }},
    {"float",
     [](const Json& value, const JinjaArguments& a) { return to_real(value, a.positional); }},
    {"length", [](const Json& value, const JinjaArguments&) { return length_of(value); }},
    {"count", [](const Json& value, const JinjaArguments&) { return length_of(value); }},
    {"list", [](const Json& value, const JinjaArguments&) { return Json(jinja_elements(value)); }},
    {"join",
     [](const Json& value, const JinjaArguments& a) {
       Json values = value;
       const size_t plain = a.positional.size() - a.keywords.size();
       const Json* attribute = plain > 1 ? &a.positional[1] : keyword(a, "attribute");
       if (attribute) {
         values = Json::array();
         for (const Json& element : jinja_elements(value))
           values.push_back(attribute_of(element, text_of(*attribute, "join")));
       }
       const Json* separator = plain > 0 ? &a.positional[0] : keyword(a, "d");
       return joined(values, separator ? text_of(*separator, "join") : "", true);
     }},
    {"map",
     [](const Json& value, const JinjaArguments& a) {
       const Json* attribute = keyword(a, "attribute");
       if (!attribute && a.positional.size() != 1)
         throw JinjaError("map() with other arguments than a filter or attribute='…'");
       Json values = Json::array();
       for (const Json& element : jinja_elements(value))
         values.push_back(attribute
                              ? attribute_of(element, python_str(*attribute))
                              : apply_jinja_filter(text_of(a.positional[0], "map"), element, {}));
       return values;
     }},
    {"first",
     [](const Json& value, const JinjaArguments&) {
       const auto elements = jinja_elements(value);
       if (elements.empty()) fail("the first", value);
       return elements.front();
     }},
    {"last",
     [](const Json& value, const JinjaArguments&) {
       const auto elements = jinja_elements(value);
       if (elements.empty()) fail("the last", value);
       return elements.back();
     }},
    {"replace",
     [](const Json& value, const JinjaArguments& a) {
       return replaced(as_text(value), a.positional, "replace");
     }},
    {"default",
     [](const Json& value, const JinjaArguments& a) {
       const bool also_false = a.positional.size() > 1 && python_truth(a.positional[1]);
       if (also_false && !python_truth(value)) return a.positional[0];
       return value;
     }},
    {"regex_replace", regex_replaced},
    {"reverse",
     [](const Json& value, const JinjaArguments&) {
       auto elements = jinja_elements(value);
       std::reverse(elements.begin(), elements.end());
       return value.is_string() ? joined(Json(elements), "", true) : Json(elements);
     }},
}};

// "defined", "undefined" and "default" of what is not there are the evaluation's.
constexpr std::array<std::string_view, 11> kTests{"defined",
                                                  "undefined",
                                                  "none",
                                                  "string",
                                                  "number",
                                                  "integer",
                                                  "sequence",
                                                  "mapping",
                                                  "boolean",
                                                  "even",
                                                  "odd"};

using Method = Json (*)(const Json& value, Arguments arguments);
struct NamedMethod {
  std::string_view name;
  size_t least, most;  // numbers of arguments
  Method call;
};

// An index between 0 and size.
int64_t bounded(int64_t index, int64_t size) {
  return std::clamp<int64_t>(index < 0 ? index + size : index, 0, size);
}

Json index_of(const Json& value, Arguments a) {
  if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i)
      if (python_equal(value[i], a[0])) return i;
    throw JinjaError(fmt::format(
        "{} is not in {}", printable(python_repr(a[0]), 60), printable(python_repr(value), 200)));
  }
  const std::u32string text = code_points(text_of(value, "index()"));
  const size_t at = text.find(code_points(text_of(a[0], "index()")));
  if (at == std::u32string::npos) throw JinjaError("index() of a text that is not there");
  return at;
}

bool begins_or_ends(const Json& value, const Json& with, bool begins) {
  const std::string& text = text_of(value, "startswith()");
  const auto holds = [&](const Json& part) {
    const std::string& piece = text_of(part, "startswith()");
    return begins ? text.starts_with(piece) : text.ends_with(piece);
  };
  return holds(with);
}

const std::array<NamedMethod, 21> kMethods{{
    {"strip",
     0,
     1,
     [](const Json& v, Arguments a) { return stripped(text_of(v, "strip()"), a, true, true); }},
    {"lstrip",
     0,
     1,
     [](const Json& v, Arguments a) { return stripped(text_of(v, "lstrip()"), a, true, false); }},
    {"rstrip",
     0,
     1,
     [](const Json& v, Arguments a) { return stripped(text_of(v, "rstrip()"), a, false, true); }},
    {"split",
     0,
     2,
     [](const Json& v, Arguments a) { return split(text_of(v, "split()"), a, false); }},
    {"rsplit",
     0,
     2,
     [](const Json& v, Arguments a) { return split(text_of(v, "rsplit()"), a, true); }},
    {"replace",
     2,
     3,
     [](const Json& v, Arguments a) { return replaced(text_of(v, "replace()"), a, "replace"); }},
    {"lower", 0, 0, [](const Json& v, Arguments) { return Json(lower(text_of(v, "lower()"))); }},
    {"upper", 0, 0, [](const Json& v, Arguments) { return Json(upper(text_of(v, "upper()"))); }},
    {"capitalize",
     0,
     0,
     [](const Json& v, Arguments) { return Json(capitalize(text_of(v, "capitalize()"))); }},
    {"startswith",
     1,
     1,
     [](const Json& v, Arguments a) { return Json(begins_or_ends(v, a[0], true)); }},
    {"endswith",
     1,
     1,
     [](const Json& v, Arguments a) { return Json(begins_or_ends(v, a[0], false)); }},
    {"join",
     1,
     1,
     [](const Json& v, Arguments a) { return joined(a[0], text_of(v, "join()"), false); }},
    {"index", 1, 1, index_of},
    {"find",
     1,
     1,
     [](const Json& v, Arguments a) {
       const size_t at =
           code_points(text_of(v, "find()")).find(code_points(text_of(a[0], "find()")));
       return at == std::u32string::npos ? Json(-1) : Json(at);
     }},
    {"count",
     1,
     1,
     [](const Json& v, Arguments a) {
       if (v.is_string()) return Json(split(v, a, false).size() - 1);
       if (!v.is_array()) fail("count()", v);
       return Json(std::count_if(
           v.begin(), v.end(), [&](const Json& element) { return python_equal(element, a[0]); }));
     }},
    {"isdigit",
     0,
     0,
     [](const Json& v, Arguments) { return Json(are_digits(text_of(v, "isdigit()"))); }},
    {"get",
     1,
     2,
     [](const Json& v, Arguments a) {
       if (!v.is_object()) fail("get()", v);
       const std::string& key = text_of(a[0], "get()");
       if (v.contains(key)) return v[key];
       return a.size() > 1 ? a[1] : Json(nullptr);
     }},
    {"keys",
     0,
     0,
     [](const Json& v, Arguments) {
       if (!v.is_object()) fail("keys()", v);
       return Json(jinja_elements(v));
     }},
    {"values",
     0,
     0,
     [](const Json& v, Arguments) {
       if (!v.is_object()) fail("values()", v);
       Json values = Json::array();
       for (const auto& [key, value] : v.items()) values.push_back(value);
       return values;
     }},
    {"items",
     0,
     0,
     [](const Json& v, Arguments) {
       if (!v.is_object()) fail("items()", v);
       Json items = Json::array();
       for (const auto& [key, value] : v.items()) items.push_back(Json::array({key, value}));
       return items;
     }},
    {"splitlines",
     0,
     0,
     [](const Json& v, Arguments) {
       Json lines = Json::array();
       std::string line;
       const std::u32string points = code_points(text_of(v, "splitlines()"));
       std::u32string current;
       for (size_t i = 0; i < points.size(); ++i) {
         const char32_t c = points[i];
         const bool ends = (c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) || c == 0x85 ||
                           c == 0x2028 || c == 0x2029;
         if (!ends) {
           current += c;
           continue;
         }
         if (c == '\r' && i + 1 < points.size() && points[i + 1] == '\n') ++i;
         lines.push_back(utf8(current));
         current.clear();
       }
       if (!current.empty()) lines.push_back(utf8(current));
       return lines;
     }},
}};

template <typename Table>
std::vector<std::string_view> names_of(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& entry : table) names.push_back(entry.name);
  return names;
}

int64_t floor_quotient(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a % b < 0) != (b < 0) ? quotient - 1 : quotient;
}

Json power(int64_t a, int64_t b) {
  if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
  if (b == 0) return 1;
  if (a >= -1 && a <= 1) return b % 2 == 0 ? a * a : a;
  int64_t result = 1;
  for (int64_t i = 0; i < b; ++i)
    if (__builtin_mul_overflow(result, a, &result)) throw JinjaError("a number beyond 64 bits");
  return result;
}

Json of_integers(std::string_view name, int64_t a, int64_t b) {
  int64_t result = 0;
  const bool overflows = name == "+"   ? __builtin_add_overflow(a, b, &result)
                         : name == "-" ? __builtin_sub_overflow(a, b, &result)
                         : name == "*" ? __builtin_mul_overflow(a, b, &result)
                                       : false;
  if (overflows) throw JinjaError("a number beyond 64 bits");
  if (name == "+" || name == "-" || name == "*") return result;
  if (name == "**") return power(a, b);
  if (b == 0) throw JinjaError("a division by zero");
  if (b == -1)
    return name == "/"    ? Json(-static_cast<double>(a))
           : name == "//" ? of_integers("-", 0, a)
                          : Json(0);
  if (name == "/") return static_cast<double>(a) / static_cast<double>(b);
  if (name == "//") return floor_quotient(a, b);
  return a - b * floor_quotient(a, b);
}

Json of_reals(std::string_view name, double a, double b) {
  if (name == "+") return a + b;
  if (name == "-") return a - b;
  if (name == "*") return a * b;
  if (name == "**") return std::pow(a, b);
  if (b == 0) throw JinjaError("a division by zero");
  if (name == "/") return a / b;
  if (name == "//") return std::floor(a / b);
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

}  // namespace

void JinjaWork::spend(size_t steps) {
  if (steps > left_) throw JinjaError("a template that takes too long");
  left_ -= steps;
}

void JinjaWork::spend_on(const Json& value) {
  spend(value.is_string() ? 1 + value.get_ref<const std::string&>().size() / 16 : 1);
  if (value.is_structured())
    for (const Json& element : value) spend_on(element);
}

std::vector<std::string_view> jinja_filters() {
  auto names = names_of(kFilters);
  names.push_back("d");
  return names;
}
std::vector<std::string_view> jinja_tests() { return {kTests.begin(), kTests.end()}; }
std::vector<std::string_view> jinja_methods() { return names_of(kMethods); }

bool is_dict_method(std::string_view name) {
  constexpr std::array<std::string_view, 11> kNames{"clear",
                                                    "copy",
                                                    "fromkeys",
                                                    "get",
                                                    "items",
                                                    "keys",
                                                    "pop",
                                                    "popitem",
                                                    "setdefault",
                                                    "update",
                                                    "values"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

Json apply_jinja_filter(std::string_view name, const Json& value, const JinjaArguments& arguments) {
  if (name == "d") name = "default";
  for (const NamedFilter& filter : kFilters)
    if (filter.name == name) return filter.apply(value, arguments);
  throw JinjaError(fmt::format("no filter '{}'", printable(name, 60)));
}

bool apply_jinja_test(std::string_view name, const Json& value, Arguments arguments) {
  expect_count(arguments, 0, 0, name);
  if (name == "defined") return true;
  if (name == "undefined") return false;
  if (name == "none") return value.is_null();
  if (name == "string") return value.is_string();
  if (name == "number") return is_number(value);
  if (name == "integer") return value.is_number_integer();
  if (name == "sequence") return value.is_string() || value.is_array() || value.is_object();
  if (name == "mapping") return value.is_object();
  if (name == "boolean") return value.is_boolean();
  const bool even = integer_of(value, name) % 2 == 0;
  return even == (name == "even");
}

Json call_jinja_method(std::string_view name, const Json& value, Arguments arguments) {
  for (const NamedMethod& method : kMethods) {
    if (method.name != name) continue;
    expect_count(arguments, method.least, method.most, name);
    return method.call(value, arguments);
  }
  throw JinjaError(fmt::format("no method '{}'", name));
}

Json apply_jinja_operator(std::string_view name, const Json& a, const Json& b) {
  if (name == "~") {
    std::string text = python_str(a) + python_str(b);
    check_size(text.size());
    return text;
  }
  if (is_integer(a) && is_integer(b))
    return of_integers(name, integer_of(a, name), integer_of(b, name));
  if (is_number(a) && is_number(b)) return of_reals(name, real_of(a), real_of(b));
  if (name == "+" && a.is_string() && b.is_string()) return apply_jinja_operator("~", a, b);
  if (name == "+" && a.is_array() && b.is_array()) {
    check_size((a.size() + b.size()) * sizeof(Json));
    Json both = a;
    for (const Json& element : b) both.push_back(element);
    return both;
  }
  throw JinjaError(fmt::format("'{}' of {} and {}", name, type_of(a), type_of(b)));
}

bool compare_jinja(std::string_view name, const Json& a, const Json& b) {
  if (name == "==") return python_equal(a, b);
  if (name == "!=") return !python_equal(a, b);
  if (name == "in" || name == "not in") {
    bool found = false;
    if (b.is_string()) {
      found = b.get_ref<const std::string&>().find(text_of(a, "'in'")) != std::string::npos;
    } else {
      const auto elements = jinja_elements(b);
      found = std::any_of(elements.begin(), elements.end(), [&](const Json& element) {
        return python_equal(element, a);
      });
    }
    return found == (name == "in");
  }
  int order = 0;
  if (is_number(a) && is_number(b)) {
    order = real_of(a) < real_of(b) ? -1 : real_of(a) > real_of(b) ? 1 : 0;
  } else if (a.is_string() && b.is_string()) {
    order = a.get_ref<const std::string&>().compare(b.get_ref<const std::string&>());
  } else {
    throw JinjaError(fmt::format("'{}' of {} and {}", name, type_of(a), type_of(b)));
  }
  if (name == "<") return order < 0;
  if (name == "<=") return order <= 0;
  return name == ">" ? order > 0 : order >= 0;
}

std::vector<Json> jinja_elements(const Json& value) {
  std::vector<Json> elements;
  if (value.is_array()) {
    elements.assign(value.begin(), value.end());
  } else if (value.is_string()) {
    for (const char32_t c : code_points(value.get_ref<const std::string&>()))
      elements.push_back(utf8({&c, 1}));
  } else if (value.is_object()) {
    for (const auto& [key, unused] : value.items()) elements.push_back(key);
  } else {
    fail("the elements", value);
  }
  return elements;
}

const Json* jinja_member(const Json& value, const Json& index, Json& made) {
  if (value.is_object()) {
    if (!index.is_string()) return nullptr;
    const auto found = value.find(index.get_ref<const std::string&>());
    return found == value.end() ? nullptr : &*found;
  }
  if (!is_integer(index) || !(value.is_array() || value.is_string())) return nullptr;
  const int64_t place = integer_of(index, "an element");
  if (value.is_array()) {
    const auto size = static_cast<int64_t>(value.size());
    const int64_t at = place < 0 ? place + size : place;
    return at >= 0 && at < size ? &value[static_cast<size_t>(at)] : nullptr;
  }
  const std::u32string points = code_points(value.get_ref<const std::string&>());
  const auto size = static_cast<int64_t>(points.size());
  const int64_t at = place < 0 ? place + size : place;
  if (at < 0 || at >= size) return nullptr;
  made = utf8(std::u32string_view(points).substr(static_cast<size_t>(at), 1));
  return &made;
}

Json jinja_slice(const Json& value, const Json& begin, const Json& end, const Json& step) {
  if (!value.is_string() && !value.is_array()) fail("a part", value);
  if (!step.is_null() && integer_of(step, "a step") != 1)
    throw JinjaError("a slice with a step other than 1");
  const auto elements = jinja_elements(value);
  const auto size = static_cast<int64_t>(elements.size());
  const int64_t first = begin.is_null() ? 0 : bounded(integer_of(begin, "a bound"), size);
  const int64_t last = end.is_null() ? size : bounded(integer_of(end, "a bound"), size);
  std::vector<Json> part;
  for (int64_t i = first; i < last; ++i) part.push_back(elements[static_cast<size_t>(i)]);
  return value.is_string() ? joined(Json(part), "", true) : Json(part);
}

}  // namespace demix
