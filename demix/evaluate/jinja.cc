#include "demix/evaluate/jinja.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "demix/core/error.h"
#include "demix/evaluate/jinja_functions.h"
#include "demix/evaluate/jinja_node.h"
#include "demix/evaluate/python_value.h"

namespace demix {
namespace {

using Kind = JinjaNode::Kind;

constexpr int64_t kMaxRange = 100'000;

class Evaluation {
 public:
  explicit Evaluation(const Json& row) : row_(row) {}

  std::string text() && { return std::move(text_); }

  void run(const JinjaNode& node) {
    count();
    switch (node.kind) {
      case Kind::kText:
        append(node.name);
        return;
      case Kind::kOutput:
        append(python_str(value(node.parts[0])));
        return;
      case Kind::kBody:
        for (const JinjaNode& part : node.parts) run(part);
        return;
      case Kind::kIf:
        run(node.parts[python_truth(value(node.parts[0])) ? 1 : 2]);
        return;
      case Kind::kSet:
        locals_.emplace_back(node.names[0], value(node.parts[0]));
        return;
      case Kind::kFor:
        run_loop(node);
        return;
      default:
        DEMIX_CHECK(false);
    }
  }

  // Throws where Python would, and where the value is not there.
  Json value(const JinjaNode& node) {
    std::optional<Json> found = value_or_nothing(node);
    if (found) work_.spend_on(*found);
    if (found) return *std::move(found);
    if (node.kind == Kind::kName) throw JinjaError(missing(node.name, row_));
    if (node.kind == Kind::kAttribute) throw JinjaError(missing(node.name, value(node.parts[0])));
    if (node.kind == Kind::kItem)
      throw JinjaError(fmt::format("no element [{}] in {}",
                                   printable(python_repr(value(node.parts[1])), 60),
                                   printable(python_repr(value(node.parts[0])), 80)));
    // A condition gives what is not there.
    return value(node.parts[python_truth(value(node.parts[0])) ? 1 : 2]);
  }

 private:
  void count() { work_.spend(1); }

  void append(std::string_view text) {
    if (text_.size() + text.size() > kMaxJinjaText) throw JinjaError("a text of more than 64 MiB");
    work_.spend(text.size() / 16);
    text_ += text;
  }

  static std::string missing(std::string_view name, const Json& value) {
    std::vector<std::string> known;
    if (value.is_object())
      for (const auto& [key, unused] : value.items()) known.push_back(key);
    const std::string_view near = nearest(name, known);
    return fmt::format("no field '{}'; there are: {}{}",
                       printable(name, 60),
                       printable(fmt::format("{}", fmt::join(known, ", ")), 300),
                       near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }

  void run_loop(const JinjaNode& node) {
    const size_t outer = locals_.size();
    std::vector<Json> elements;
    for (Json& element : jinja_elements(value(node.parts[0]))) {
      count();
      bind(node, element);
      if (python_truth(value(node.parts[1]))) elements.push_back(std::move(element));
      locals_.resize(outer);
    }
    const auto size = static_cast<int64_t>(elements.size());
    for (int64_t i = 0; i < size; ++i) {
      locals_.emplace_back("loop",
                           Json{{"index", i + 1},
                                {"index0", i},
                                {"revindex", size - i},
                                {"revindex0", size - i - 1},
                                {"first", i == 0},
                                {"last", i + 1 == size},
                                {"length", size}});
      bind(node, elements[static_cast<size_t>(i)]);
      run(node.parts[2]);
      locals_.resize(outer);
    }
    if (elements.empty()) run(node.parts[3]);
    locals_.resize(outer);
  }

  void bind(const JinjaNode& node, const Json& element) {
    if (node.names.size() == 1) {
      locals_.emplace_back(node.names[0], element);
      return;
    }
    const auto parts = jinja_elements(element);
    if (parts.size() != node.names.size())
      throw JinjaError(
          fmt::format("{} values for {} names of a loop", parts.size(), node.names.size()));
    for (size_t i = 0; i < parts.size(); ++i) locals_.emplace_back(node.names[i], parts[i]);
  }

  std::vector<Json> values(const JinjaNode& node, size_t first) {
    std::vector<Json> all;
    for (size_t i = first; i < node.parts.size(); ++i) all.push_back(value(node.parts[i]));
    return all;
  }

  const Json* named(const std::string& name) const {
    for (size_t i = locals_.size(); i > 0; --i)
      if (locals_[i - 1].first == name) return &locals_[i - 1].second;
    if (!row_.is_object()) return nullptr;
    const auto found = row_.find(name);
    return found == row_.end() ? nullptr : &*found;
  }

  std::optional<Json> value_or_nothing(const JinjaNode& node) {
    count();
    switch (node.kind) {
      case Kind::kConstant:
        return node.value;
      case Kind::kName: {
        const Json* found = named(node.name);
        return found ? std::optional(*found) : std::nullopt;
      }
      case Kind::kList: {
        Json list = Json::array();
        for (const JinjaNode& part : node.parts) list.push_back(value(part));
        return list;
      }
      case Kind::kDict: {
        Json dict = Json::object();
        for (size_t i = 0; i < node.parts.size(); i += 2) {
          const Json key = value(node.parts[i]);
          if (!key.is_string()) throw JinjaError("a dict with a key that is no text");
          dict[key.get<std::string>()] = value(node.parts[i + 1]);
        }
        return dict;
      }
      case Kind::kAttribute:
        return member(node.parts[0], node.name);
      case Kind::kItem:
        return member(node.parts[0], value(node.parts[1]));
      case Kind::kSlice: {
        const auto bound = [&](size_t i) {
          return node.parts[i].kind == Kind::kAbsent ? Json(nullptr) : value(node.parts[i]);
        };
        return jinja_slice(value(node.parts[0]), bound(1), bound(2), bound(3));
      }
      case Kind::kMethod: {
        const Json object = value(node.parts[0]);
        return call_jinja_method(node.name, object, values(node, 1));
      }
      case Kind::kFunction:
        return range(values(node, 0));
      case Kind::kFilter: {
        const bool has_default = node.name == "default" || node.name == "d";
        std::optional<Json> object =
            has_default ? value_or_nothing(node.parts[0]) : std::optional(value(node.parts[0]));
        const auto arguments = values(node, 1);
        if (!object) return arguments.empty() ? Json("") : arguments[0];
        return apply_jinja_filter(node.name, *object, {arguments, node.names, &work_});
      }
      case Kind::kTest: {
        const bool asks = node.name == "defined" || node.name == "undefined";
        const std::optional<Json> object =
            asks ? value_or_nothing(node.parts[0]) : std::optional(value(node.parts[0]));
        if (!object) return node.name == "undefined";
        return apply_jinja_test(node.name, *object, values(node, 1));
      }
      case Kind::kNot:
        return !python_truth(value(node.parts[0]));
      case Kind::kUnary:
        return apply_jinja_operator(node.name, 0, value(node.parts[0]));
      case Kind::kBinary: {
        const Json left = value(node.parts[0]);
        return apply_jinja_operator(node.name, left, value(node.parts[1]));
      }
      case Kind::kCompare:
        return compare(node);
      case Kind::kAnd:
      case Kind::kOr: {
        Json left = value(node.parts[0]);
        if (python_truth(left) == (node.kind == Kind::kOr)) return left;
        return value(node.parts[1]);
      }
      case Kind::kCondition:
        return value_or_nothing(node.parts[python_truth(value(node.parts[0])) ? 1 : 2]);
      case Kind::kAbsent:
        return "";  // Jinja writes nothing where a condition without 'else' does not hold
      default:
        DEMIX_CHECK(false);
    }
  }

  // Of what has a place in the row or among the locals nothing is copied but the member.
  std::optional<Json> member(const JinjaNode& object, const Json& index) {
    Json made;
    const Json* found = nullptr;
    if (const Json* known = place_of(object)) {
      if (known->is_string()) work_.spend_on(*known);  // its characters are counted
      found = jinja_member(*known, index, made);
      return found ? std::optional(*found) : std::nullopt;
    }
    const Json computed = value(object);
    found = jinja_member(computed, index, made);
    return found ? std::optional(*found) : std::nullopt;
  }

  const Json* place_of(const JinjaNode& node) {
    if (node.kind == Kind::kName) return named(node.name);
    if (node.kind != Kind::kAttribute && node.kind != Kind::kItem) return nullptr;
    const Json* object = place_of(node.parts[0]);
    if (!object || object->is_string()) return nullptr;
    Json unused;
    return jinja_member(
        *object, node.kind == Kind::kAttribute ? Json(node.name) : value(node.parts[1]), unused);
  }

  bool compare(const JinjaNode& node) {
    Json left = value(node.parts[0]);
    for (size_t i = 0; i < node.names.size(); ++i) {
      Json right = value(node.parts[i + 1]);
      if (!compare_jinja(node.names[i], left, right)) return false;
      left = std::move(right);
    }
    return true;
  }

  static Json range(const std::vector<Json>& bounds) {
    for (const Json& bound : bounds)
      if (!bound.is_number_integer()) throw JinjaError("range() of what is no whole number");
    const int64_t begin = bounds.size() > 1 ? bounds[0].get<int64_t>() : 0;
    const int64_t end = bounds[bounds.size() > 1 ? 1 : 0].get<int64_t>();
    const int64_t step = bounds.size() > 2 ? bounds[2].get<int64_t>() : 1;
    if (step == 0) throw JinjaError("range() with a step of 0");
    Json numbers = Json::array();
    for (int64_t i = begin; step > 0 ? i < end : i > end;) {
      if (numbers.size() >= kMaxRange) throw JinjaError("a range of more than 100,000 numbers");
      numbers.push_back(i);
      if (__builtin_add_overflow(i, step, &i)) break;
    }
    return numbers;
  }

  const Json& row_;
  std::vector<std::pair<std::string, Json>> locals_;
  std::string text_;
  JinjaWork work_;
};

template <typename Work>
auto located(const std::string& place, const std::string& where, const Work& work) {
  try {
    return work();
  } catch (const JinjaError& error) {
    throw Error("{}: {} ({})", place, error.what(), where);
  }
}

bool has_names(const JinjaNode& node) {
  return node.kind == Kind::kName || std::any_of(node.parts.begin(), node.parts.end(), has_names);
}

}  // namespace

JinjaTemplate JinjaTemplate::parse(std::string_view text, const std::string& where) {
  JinjaTemplate result;
  result.tree_ = std::make_shared<const JinjaNode>(parse_jinja(text, where));
  result.where_ = where;
  return result;
}

std::string JinjaTemplate::render(const Json& row, const std::string& place) const {
  return located(place, where_, [&] {
    Evaluation evaluation(row);
    evaluation.run(*tree_);
    return std::move(evaluation).text();
  });
}

Json JinjaTemplate::value(const Json& row, const std::string& place) const {
  if (!is_expression()) return render(row, place);
  return located(place, where_, [&] { return Evaluation(row).value(tree_->parts[0].parts[0]); });
}

bool JinjaTemplate::is_expression() const {
  return tree_->parts.size() == 1 && tree_->parts[0].kind == Kind::kOutput;
}

bool JinjaTemplate::is_constant() const { return !has_names(*tree_); }

}  // namespace demix
