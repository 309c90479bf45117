#include "demix/evaluate/harness_prompts.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/evaluate/python_value.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

// Whether it can be a field's name rather than a text.
bool is_name(std::string_view text) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !text.empty() && is_letter(text[0]) && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9');
  });
}

const Json* field_of(const Json& row, const std::string& name) {
  if (!row.is_object()) return nullptr;
  const auto found = row.find(name);
  return found == row.end() ? nullptr : &*found;
}

bool begins_with_blank(std::string_view text) { return strip_left(text).size() != text.size(); }
bool ends_with_blank(std::string_view text) { return strip_right(text).size() != text.size(); }

// Between texts where neither has a blank there.
std::string delimited(const std::string& first, const std::string& second, std::string_view by) {
  if (first.empty() || second.empty() || ends_with_blank(first) || begins_with_blank(second))
    return first + second;
  return first + std::string(by) + second;
}

// What a template's text stands for where a target is wanted.
Json target_of(Json value, bool is_field, bool chooses) {
  if (is_field) return value;
  const std::string text = python_str(value);
  if (are_digits(text) && chooses)
    if (auto number = python_literal(text)) return *number;
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    if (value.is_array()) return value;
    if (auto list = python_literal(text)) return *list;
  }
  return text;
}

// Index of the right choice.
int64_t gold_of(const Json& target,
                const std::vector<std::string>& choices,
                const std::string& where,
                const std::string& place) {
  if (target.is_string()) {
    const auto& text = target.get_ref<const std::string&>();
    const auto found = std::find(choices.begin(), choices.end(), text);
    if (found != choices.end()) return found - choices.begin();
    if (are_digits(text))
      throw Error(
          "{}: expected the right answer as a number from 0 to {} ({}), found '{}', which is text "
          "in the row; a template reads it as a number: {{{{FIELD}}}} instead of FIELD",
          place,
          choices.size() - 1,
          where,
          printable(text));
    throw Error("{}: the right answer is '{}' ({}), but the choices are {}",
                place,
                printable(text),
                where,
                printable(fmt::format("{}", fmt::join(choices, ", ")), 300));
  }
  if (target.is_array())
    throw Error("{}: several right answers ({}): expected one, found {}",
                place,
                where,
                printable(python_repr(target)));
  double index = -1;
  if (target.is_boolean()) index = target.get<bool>();
  if (target.is_number()) index = target.get<double>();
  if (index != std::floor(index) || index < 0 || index >= static_cast<double>(choices.size()))
    throw Error("{}: expected the right answer as a number from 0 to {} ({}), found '{}'",
                place,
                choices.size() - 1,
                where,
                printable(python_str(target)));
  return static_cast<int64_t>(index);
}

std::string prefix_of(const HarnessPrompts& prompts, const Json& row, const std::string& place) {
  if (!prompts.generated_prefix) return "";
  return python_str(prompts.generated_prefix->value(row, place));
}

std::string question_of(const HarnessPrompts& prompts, const Json& row, const std::string& place) {
  Json text = prompts.text->value(row, place);
  if (!prompts.text->names_field_of(row)) text = python_str(text);
  const bool is_input_number =
      text.is_string() && prompts.choices && are_digits(text.get<std::string>());
  if (!text.is_string() || is_input_number)
    throw Error("{}: {} gives {}: expected a text; several inputs are not read here",
                place,
                prompts.text->where(),
                printable(python_repr(text)));
  return text.get<std::string>();
}

}  // namespace

HarnessText::HarnessText(const std::string& text, const std::string& where)
    : text_(text), where_(where), template_(JinjaTemplate::parse(text, where)) {}

Json HarnessText::value(const Json& row, const std::string& place) const {
  if (const Json* field = field_of(row, text_)) return *field;
  if (is_name(text_)) {
    // A word alone is meant as a field.
    try {
      return JinjaTemplate::parse("{{" + text_ + "}}", where_).value(row, place);
    } catch (const Error& error) {
      throw Error("{}; a word alone is a field's name, and {{{{'{}'}}}} is the text",
                  error.what(),
                  printable(text_));
    }
  }
  return template_.value(row, place);
}

std::string HarnessText::text(const Json& row, const std::string& place) const {
  if (const Json* field = field_of(row, text_)) return python_str(*field);
  return template_.render(row, place);
}

bool HarnessText::names_field_of(const Json& row) const {
  return field_of(row, text_) != nullptr || is_name(text_);
}

bool HarnessText::is_constant() const { return !is_name(text_) && template_.is_constant(); }

std::vector<std::string> HarnessChoices::of(const Json& row, const std::string& place) const {
  if (!computed) return listed;
  Json list = computed->value(row, place);
  if (list.is_string())
    if (auto literal = python_literal(list.get<std::string>())) list = *literal;
  if (!list.is_array())
    throw Error(
        "{}: {} gives no list of choices, but {}", place, where, printable(python_repr(list), 80));
  std::vector<std::string> texts;
  for (const Json& choice : list) {
    if (choice.is_structured() || choice.is_null())
      throw Error("{}: {} gives a choice that is no text: {}",
                  place,
                  where,
                  printable(python_repr(choice)));
    texts.push_back(python_str(choice));
  }
  return texts;
}

HarnessDocument harness_document(const HarnessPrompts& prompts,
                                 const Json& row,
                                 const std::string& place) {
  HarnessDocument document;
  const std::string question = question_of(prompts, row, place);
  const std::string prefix = prefix_of(prompts, row, place);
  document.has_prefix = !prefix.empty();
  document.context =
      prefix.empty() ? question : delimited(question, prefix, prompts.target_delimiter);
  if (prompts.choices) document.choices = prompts.choices->of(row, place);
  const std::string where = prompts.target ? prompts.target->where() : place;
  Json target = prompts.fixed_target ? *prompts.fixed_target : prompts.target->value(row, place);
  if (!prompts.fixed_target)
    target = target_of(
        std::move(target), prompts.target->names_field_of(row), prompts.choices.has_value());
  if (prompts.choices) {
    document.gold = gold_of(target, document.choices, where, place);
    document.targets = {document.choices[static_cast<size_t>(*document.gold)]};
    return document;
  }
  if (!target.is_array()) target = Json::array({target});
  for (const Json& one : target) document.targets.push_back(python_str(one));
  if (document.targets.empty()) throw Error("{}: {} gives no answer", place, where);
  return document;
}

std::string harness_answered(const HarnessPrompts& prompts,
                             const HarnessDocument& document,
                             const std::string& answer) {
  if (document.has_prefix) return delimited(document.context, answer, " ");
  return document.context + prompts.target_delimiter + answer;
}

std::string harness_example(const HarnessPrompts& prompts,
                            const Json& row,
                            const std::string& place) {
  const HarnessDocument document = harness_document(prompts, row, place);
  const std::string& answer = document.targets[0];
  if (answer.empty()) return document.context;
  return harness_answered(prompts, document, answer) + prompts.example_delimiter;
}

}  // namespace demix
