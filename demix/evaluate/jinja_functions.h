// Jinja's filters, tests and operators, and the methods of Python's texts, lists and dicts that
// templates may use.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "demix/core/json.h"

namespace demix {

// Raised where Python would raise; the message says what, the caller adds where.
struct JinjaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Of a text or list that a template makes: a few lines can double one again and again.
inline constexpr size_t kMaxJinjaText = size_t{1} << 26;

// What one template may still do for one row: loops that do not end while anybody waits end here.
// A step is a node of the template, or 16 bytes or an element of a value that is made or copied.
class JinjaWork {
 public:
  void spend(size_t steps);
  void spend_on(const Json& value);

 private:
  size_t left_ = 2'000'000;
};

struct JinjaArguments {
  std::span<const Json> positional;
  std::span<const std::string> keywords;  // names of the last positional.size() values
  JinjaWork* work = nullptr;              // of what takes longer than its values are long
};

std::vector<std::string_view> jinja_filters();
std::vector<std::string_view> jinja_tests();
std::vector<std::string_view> jinja_methods();
// Names of a dict's methods: `x.items` is not the field "items".
bool is_dict_method(std::string_view name);

Json apply_jinja_filter(std::string_view name, const Json& value, const JinjaArguments& arguments);
bool apply_jinja_test(std::string_view name, const Json& value, std::span<const Json> arguments);
Json call_jinja_method(std::string_view name, const Json& value, std::span<const Json> arguments);

// + - * / // % ** ~
Json apply_jinja_operator(std::string_view name, const Json& a, const Json& b);
// == != < <= > >= in, not in
bool compare_jinja(std::string_view name, const Json& a, const Json& b);

// What a loop goes over: the elements of a list, the characters of a text, the keys of a dict.
std::vector<Json> jinja_elements(const Json& value);
// value[index], where it is there.
const Json* jinja_member(const Json& value, const Json& index, Json& made);
// value[begin:end:step]; null bounds are left out.
Json jinja_slice(const Json& value, const Json& begin, const Json& end, const Json& step);

}  // namespace demix
