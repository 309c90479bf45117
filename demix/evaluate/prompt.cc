#include "demix/evaluate/prompt.h"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

std::string strip_text(std::string_view text, std::string_view, const std::string&) {
  return std::string(strip(text));
}

std::string strip_left_text(std::string_view text, std::string_view, const std::string&) {
  return std::string(strip_left(text));
}

std::string words(std::string_view text, std::string_view, const std::string&) {
  return replace_all(text, "_", " ");
}

std::string capitalize_text(std::string_view text, std::string_view, const std::string&) {
  return capitalize(text);
}

// `at`, which text.find or text.rfind gave.
size_t found(size_t at,
             std::string_view text,
             std::string_view argument,
             const std::string& place) {
  if (at == std::string_view::npos)
    throw Error(
        "{}: expected '{}' in the text '{}'", place, printable(argument), printable(text, 300));
  return at;
}

std::string before(std::string_view text, std::string_view argument, const std::string& place) {
  return std::string(text.substr(0, found(text.find(argument), text, argument, place)));
}

std::string after(std::string_view text, std::string_view argument, const std::string& place) {
  return std::string(
      text.substr(found(text.find(argument), text, argument, place) + argument.size()));
}

std::string before_last(std::string_view text,
                        std::string_view argument,
                        const std::string& place) {
  return std::string(text.substr(0, found(text.rfind(argument), text, argument, place)));
}

std::string after_last(std::string_view text, std::string_view argument, const std::string& place) {
  return std::string(
      text.substr(found(text.rfind(argument), text, argument, place) + argument.size()));
}

// The brackets are artifacts of WikiHow; the order of the steps is the harness's.
std::string wikihow(std::string_view text, std::string_view, const std::string&) {
  const std::string titled = replace_all(strip(text), " [title]", ". ");
  std::string unbracketed;
  for (size_t i = 0; i < titled.size(); ++i) {
    if (titled[i] == '[') {
      const size_t end = titled.find_first_of("]\n", i);
      if (end != std::string::npos && titled[end] == ']') {
        i = end;
        continue;
      }
    }
    unbracketed += titled[i];
  }
  return replace_all(unbracketed, "  ", " ");
}

struct NamedTransform {
  std::string_view name;
  bool takes_argument;
  std::string (*apply)(std::string_view text, std::string_view argument, const std::string& place);
};

constexpr std::array<NamedTransform, 9> kTransforms{{{"strip", false, strip_text},
                                                     {"strip_left", false, strip_left_text},
                                                     {"capitalize", false, capitalize_text},
                                                     {"words", false, words},
                                                     {"before", true, before},
                                                     {"after", true, after},
                                                     {"before_last", true, before_last},
                                                     {"after_last", true, after_last},
                                                     {"wikihow", false, wikihow}}};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// The text of a scalar, or nothing.
bool append_text(const Json& value, std::string& out) {
  if (value.is_string()) {
    out += value.get_ref<const std::string&>();
  } else if (value.is_number()) {
    out += value.dump();
  } else {
    return false;
  }
  return true;
}

}  // namespace

Transform Transform::parse(std::string_view text, const std::string& where) {
  const size_t colon = text.find(':');
  Transform transform;
  transform.name_ = text.substr(0, colon);
  if (colon != std::string_view::npos) transform.argument_ = text.substr(colon + 1);
  std::vector<std::string_view> names;
  for (const NamedTransform& known : kTransforms) {
    names.push_back(known.name);
    if (known.name != transform.name_) continue;
    if (known.takes_argument == transform.argument_.empty())
      throw Error("{}: transform '{}' {}",
                  where,
                  printable(text),
                  known.takes_argument ? "needs a text, as in 'before:_'" : "takes no text");
    return transform;
  }
  throw Error("{}: unknown transform '{}'; known are {}",
              where,
              printable(transform.name_),
              fmt::join(names, ", "));
}

std::string Transform::apply(std::string_view text, const std::string& place) const {
  for (const NamedTransform& known : kTransforms)
    if (known.name == name_) return known.apply(text, argument_, place);
  DEMIX_CHECK(false);
}

Prompt Prompt::parse(std::string_view text, const std::string& where) {
  Prompt prompt;
  prompt.where_ = where;
  std::string literal;
  for (size_t i = 0; i < text.size();) {
    const bool doubled = i + 1 < text.size() && text[i + 1] == text[i];
    if ((text[i] == '{' || text[i] == '}') && doubled) {
      literal += text[i];
      i += 2;
    } else if (text[i] == '}') {
      throw Error(
          "{}: '}}' without '{{' in '{}'; write '}}}}' for a brace", where, printable(text));
    } else if (text[i] != '{') {
      literal += text[i++];
    } else {
      const size_t end = text.find('}', i);
      if (end == std::string_view::npos)
        throw Error(
            "{}: '{{' without '}}' in '{}'; write '{{{{' for a brace", where, printable(text));
      const std::string_view placeholder = text.substr(i + 1, end - i - 1);
      const auto pieces = split(placeholder, '|');
      Part part;
      part.literal = std::exchange(literal, {});
      const auto bad = [&] {
        return Error(
            "{}: expected a field such as {{question}} or {{choices.text[0]}}, found '{{{}}}'",
            where,
            printable(placeholder));
      };
      for (std::string_view member : split(pieces[0], '.')) {
        const size_t bracket = member.find('[');
        if (member.substr(0, bracket).empty() ||
            member.find_first_of(" \t\n") != std::string_view::npos)
          throw bad();
        part.path.push_back({std::string(member.substr(0, bracket)), 0});
        std::string_view rest = bracket == std::string_view::npos ? "" : member.substr(bracket);
        while (!rest.empty()) {
          const size_t close = rest.find(']');
          if (rest[0] != '[' || close == std::string_view::npos) throw bad();
          Step step;
          const auto parsed = std::from_chars(rest.data() + 1, rest.data() + close, step.index);
          if (parsed.ec != std::errc() || parsed.ptr != rest.data() + close) throw bad();
          part.path.push_back(step);
          rest.remove_prefix(close + 1);
        }
      }
      for (size_t k = 1; k < pieces.size(); ++k)
        part.transforms.push_back(Transform::parse(pieces[k], where));
      prompt.parts_.push_back(std::move(part));
      i = end + 1;
    }
  }
  prompt.tail_ = std::move(literal);
  return prompt;
}

const Json& Prompt::find(const Part& part, const Json& row, const std::string& place) const {
  const Json* value = &row;
  for (const Step& step : part.path) {
    if (!step.member.empty()) {
      if (!value->is_object() || !value->contains(step.member)) {
        std::vector<std::string> known;
        if (value->is_object())
          for (const auto& [key, unused] : value->items()) known.push_back(key);
        const std::string_view near = nearest(step.member, known);
        throw Error("{}: no field '{}', which {} asks for; there are: {}{}",
                    place,
                    step.member,
                    where_,
                    fmt::join(known, ", "),
                    near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
      }
      value = &(*value)[step.member];
    } else {
      if (!value->is_array() || step.index >= value->size())
        throw Error(
            "{}: no element [{}], which {} asks for; {}",
            place,
            step.index,
            where_,
            value->is_array() ? fmt::format("the list has {}", value->size()) : "it is no list");
      value = &(*value)[step.index];
    }
  }
  return *value;
}

std::string Prompt::render(const Json& row, const std::string& place) const {
  std::string text;
  for (const Part& part : parts_) {
    text += part.literal;
    const Json& value = find(part, row, place);
    std::string piece;
    if (!append_text(value, piece))
      throw Error(
          "{}: expected text or a number for {}, found {}", place, where_, value.type_name());
    for (const Transform& transform : part.transforms)
      piece = transform.apply(piece, fmt::format("{}: {}", place, where_));
    text += piece;
  }
  return text += tail_;
}

bool Prompt::is_text(const Json& row, const std::string& place) const {
  return parts_.size() == 1 && find(parts_[0], row, place).is_string();
}

std::vector<std::string> Prompt::render_list(const Json& row, const std::string& place) const {
  if (parts_.size() != 1 || !parts_[0].literal.empty() || !tail_.empty() ||
      !parts_[0].transforms.empty())
    return {render(row, place)};
  const Json& value = find(parts_[0], row, place);
  if (!value.is_array()) return {render(row, place)};
  std::vector<std::string> texts;
  for (const Json& element : value) {
    texts.emplace_back();
    if (!append_text(element, texts.back()))
      throw Error("{}: expected a list of texts for {}, found {} in it",
                  place,
                  where_,
                  element.type_name());
  }
  return texts;
}

}  // namespace demix
