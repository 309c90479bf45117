#include "demix/evaluate/jinja.h"

#include <array>
#include <utility>

#include "demix/core/error.h"

namespace demix {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Jinja's filters and Python's methods -> our transforms.
struct Translated {
  std::string_view theirs, ours;
};
constexpr std::array<Translated, 2> kFilters{{{"trim", "strip"}, {"capitalize", "capitalize"}}};
constexpr std::array<Translated, 3> kMethods{
    {{"strip", "strip"}, {"lstrip", "strip_left"}, {"capitalize", "capitalize"}}};

std::string escaped(std::string_view literal) {
  std::string text;
  for (char c : literal) text.append(c == '{' || c == '}' ? 2 : 1, c);
  return text;
}

// The expression between {{ and }}.
class Expression {
 public:
  Expression(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  // "{a.b[0]|strip}", or the text of a string literal.
  std::string value() {
    skip_blanks();
    if (peek() == '\'' || peek() == '"') return escaped(literal());
    std::string path = name(), transforms;
    while (true) {
      skip_blanks();
      if (take('.')) {
        const std::string member = name();
        if (peek() == '(') {
          if (member == "index") {  // left to the caller
            at_ -= member.size() + 1;
            break;
          }
          transforms += "|" + translated(kMethods, member, "method");
          expect('(');
          expect(')');
        } else {
          path += member_of(transforms, "." + member);
        }
      } else if (take('[')) {
        skip_blanks();
        if (is_digit(peek())) {
          const size_t begin = at_;
          while (is_digit(peek())) ++at_;
          path += member_of(transforms, "[" + std::string(text_.substr(begin, at_ - begin)) + "]");
        } else {
          path += member_of(transforms, "." + literal());
        }
        expect(']');
      } else if (take('|')) {
        transforms += "|" + translated(kFilters, name(), "filter");
      } else {
        break;
      }
    }
    return "{" + path + transforms + "}";
  }

  bool take(char c) {
    skip_blanks();
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) refuse();
  }
  bool take_word(std::string_view word) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void end() {
    skip_blanks();
    if (at_ != text_.size()) refuse();
  }
  [[noreturn]] void refuse() const {
    throw Error(
        "{}: '{{{{{}}}}}' is beyond the part of Jinja that is read here: fields, members, "
        "elements, trim, capitalize, strip(), lstrip(), lists and index(); write a task file of "
        "demix instead (docs/adding.md)",
        where_,
        printable(text_));
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\t') ++at_;
  }
  std::string name() {
    skip_blanks();
    const size_t begin = at_;
    if (!is_letter(peek())) refuse();
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string literal() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') refuse();
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) refuse();
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    if (inside.find('\\') != std::string_view::npos) refuse();
    at_ = end + 1;
    return std::string(inside);
  }
  // A step of a path, which cannot follow a transform.
  std::string member_of(const std::string& transforms, std::string step) const {
    if (!transforms.empty() || step.find_first_of("{}|.[", 1) != std::string::npos) refuse();
    return step;
  }
  template <size_t size>
  std::string translated(const std::array<Translated, size>& table,
                         const std::string& word,
                         std::string_view kind) const {
    std::vector<std::string_view> known;
    for (const Translated& entry : table) {
      if (entry.theirs == word) return std::string(entry.ours);
      known.push_back(entry.theirs);
    }
    throw Error("{}: unknown {} '{}' in '{{{{{}}}}}'; known are {}",
                where_,
                kind,
                word,
                printable(text_),
                fmt::join(known, ", "));
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

// What stands between {{ and }} if that is the whole text.
std::optional<std::string_view> only_expression(std::string_view text) {
  if (!text.starts_with("{{") || !text.ends_with("}}") || text.size() < 4 ||
      text.find("}}") != text.size() - 2)
    return std::nullopt;
  return text.substr(2, text.size() - 4);
}

}  // namespace

std::string prompt_of_jinja(std::string_view text, const std::string& where) {
  std::string prompt;
  while (!text.empty()) {
    const size_t brace = text.find('{');
    const std::string_view mark = brace < text.size() ? text.substr(brace, 2) : "";
    if (mark == "{%" || mark == "{#")
      throw Error(
          "{}: '{}' begins a {} of Jinja, which is not read here; write a task file of "
          "demix instead (docs/adding.md)",
          where,
          mark,
          mark == "{%" ? "statement" : "comment");
    if (mark != "{{") {
      const size_t size = brace == std::string_view::npos ? text.size() : brace + 1;
      prompt += escaped(text.substr(0, size));
      text.remove_prefix(size);
      continue;
    }
    prompt += escaped(text.substr(0, brace));
    const size_t end = text.find("}}", brace);
    if (end == std::string_view::npos)
      throw Error("{}: '{{{{' without '}}}}' in '{}'", where, printable(text));
    Expression expression(text.substr(brace + 2, end - brace - 2), where);
    prompt += expression.value();
    expression.end();
    text.remove_prefix(end + 2);
  }
  return prompt;
}

std::optional<std::vector<std::string>> list_of_jinja(std::string_view text,
                                                      const std::string& where) {
  const auto inside = only_expression(text);
  if (!inside) return std::nullopt;
  Expression expression(*inside, where);
  if (!expression.take('[')) return std::nullopt;
  std::vector<std::string> prompts{expression.value()};
  while (expression.take(',')) prompts.push_back(expression.value());
  expression.expect(']');
  expression.end();
  return prompts;
}

std::optional<LabelIndex> index_of_jinja(std::string_view text, const std::string& where) {
  const auto inside = only_expression(text);
  if (!inside || inside->find(".index(") == std::string_view::npos) return std::nullopt;
  Expression expression(*inside, where);
  LabelIndex index;
  index.list = expression.value();
  if (!expression.take_word(".index(")) expression.refuse();
  index.value = expression.value();
  expression.expect(')');
  expression.end();
  return index;
}

bool is_jinja_name(std::string_view text) {
  if (text.empty() || !is_letter(text[0])) return false;
  for (char c : text)
    if (!is_letter(c) && !is_digit(c)) return false;
  return true;
}

}  // namespace demix
