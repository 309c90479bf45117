#include "demix/evaluate/math_equal.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "demix/evaluate/math_expression.h"
#include "demix/evaluate/math_parts.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

using Parts = std::vector<std::string_view>;

// Answers are short; longer text is compared as text.
constexpr size_t kLongest = 1000;
constexpr size_t kMostParts = 64;
constexpr int kVariableSets = 4;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Whether both are formulas of equal value; nothing when one is not a formula.
std::optional<bool> equal_formulas(std::string_view a, std::string_view b, bool mixed_numbers) {
  for (int set = 0; set < kVariableSets; ++set) {
    const ExpressionOptions options{.mixed_numbers = mixed_numbers, .variables = set};
    const std::optional<MathNumber> of_a = expression_value(a, options);
    const std::optional<MathNumber> of_b = expression_value(b, options);
    if (!of_a || !of_b) return std::nullopt;
    if (!nearly_equal(*of_a, *of_b)) return false;
  }
  return true;
}

// Spellings that say nothing.
std::string plain(std::string_view answer) {
  std::string text(answer);
  for (const auto& [from, to] : std::array<std::pair<std::string_view, std::string_view>, 25>{{
           {"\\left\\{", "\\{"}, {"\\right\\}", "\\}"}, {"\\left(", "("},
           {"\\right)", ")"},    {"\\left[", "["},      {"\\right]", "]"},
           {"\\left|", "|"},     {"\\right|", "|"},     {"\\lbrace", "\\{"},
           {"\\rbrace", "\\}"},  {"\\dfrac", "\\frac"}, {"\\tfrac", "\\frac"},
           {"\\!", ""},          {"\\,", ""},           {"\\:", ""},
           {"\\quad", ""},       {"\\%", ""},           {"%", ""},
           {"\\degree", ""},     {"\\mathrm{}", ""},    {"\\leq", "\\le"},
           {"\\geq", "\\ge"},    {"\\le", "<="},        {"\\ge", ">="},
           {"\n", ""},
       }})
    // "<=" for \le, but not for the beginning of \left.
    text = from == "\\le" && text.find("\\left") != std::string::npos ? text
                                                                      : replace_all(text, from, to);
  text = std::string(strip(text));
  if (text.starts_with('+')) text.erase(0, 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// Without a unit behind a number: "5liters" becomes "5".
std::string without_unit(std::string_view text) {
  constexpr std::array<std::string_view, 28> kUnits{
      "percent", "liters", "liter",  "seconds", "second", "days",  "day",
      "years",   "year",   "weeks",  "months",  "kg",     "grams", "mm",
      "yards",   "miles",  "mile",   "people",  "dollar", "cent",  "inch",
      "foot",    "hour",   "minute", "degree",  "in",     "meter", "squareunits"};
  for (const std::string_view unit : kUnits)
    if (text.size() > unit.size() && text.ends_with(unit) &&
        !is_letter(text[text.size() - unit.size() - 1]))
      return std::string(text.substr(0, text.size() - unit.size()));
  return std::string(text);
}

bool equal(std::string_view a, std::string_view b);

bool equal_in_order(const Parts& a, const Parts& b) {
  return a.size() == b.size() && std::ranges::equal(a, b, equal);
}

// Each of a equals another one of b.
bool equal_in_any_order(const Parts& a, const Parts& b) {
  if (a.size() != b.size() || a.size() > kMostParts) return false;
  Parts left = b;
  for (const std::string_view part : a) {
    const auto match =
        std::ranges::find_if(left, [part](std::string_view other) { return equal(part, other); });
    if (match == left.end()) return false;
    left.erase(match);
  }
  return true;
}

// "2<x<=5" as terms 2, x, 5 and relations <, <=.
struct Chain {
  Parts terms, relations;
};
Chain chain_of(std::string_view text) {
  Chain chain;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '<' && text[i] != '>') continue;
    const size_t size = text.substr(i + 1).starts_with('=') ? 2 : 1;
    chain.terms.push_back(text.substr(begin, i - begin));
    chain.relations.push_back(text.substr(i, size));
    begin = i + size;
    i = begin - 1;
  }
  chain.terms.push_back(text.substr(begin));
  return chain;
}

// 5 > x > 2 for 2 < x < 5.
Chain turned(Chain chain) {
  std::ranges::reverse(chain.terms);
  std::ranges::reverse(chain.relations);
  for (std::string_view& relation : chain.relations)
    relation = relation == "<" ? ">" : relation == ">" ? "<" : relation == "<=" ? ">=" : "<=";
  return chain;
}

// Both sides of each ±, as a list.
std::string with_both_signs(std::string_view text) {
  if (text.find("\\pm") == std::string_view::npos) return std::string(text);
  return replace_all(text, "\\pm", "+") + "," + replace_all(text, "\\pm", "-");
}

bool equal_matrices(const Matrix& a, const Matrix& b) {
  return a.name == b.name && std::ranges::equal(a.rows, b.rows, equal_in_order);
}

// Both without spellings that say nothing.
bool equal(std::string_view a, std::string_view b) {
  if (a == b) return true;
  if (const std::optional<bool> same = equal_formulas(a, b, true)) return *same;

  const std::optional<Matrix> matrix_a = as_matrix(a);
  const std::optional<Matrix> matrix_b = as_matrix(b);
  if (matrix_a && matrix_b) return equal_matrices(*matrix_a, *matrix_b);

  const Parts union_a = split_outside_brackets(a, "\\cup");
  if (union_a.size() > 1) return equal_in_any_order(union_a, split_outside_brackets(b, "\\cup"));

  const Chain chain_a = chain_of(a);
  const Chain chain_b = chain_of(b);
  if (!chain_a.relations.empty() || !chain_b.relations.empty()) {
    const auto same = [&chain_b](const Chain& chain) {
      return chain.relations == chain_b.relations && equal_in_order(chain.terms, chain_b.terms);
    };
    return same(chain_a) || same(turned(chain_a));
  }

  const std::optional<Bracketed> bracketed_a = as_bracketed(a);
  const std::optional<Bracketed> bracketed_b = as_bracketed(b);
  if (bracketed_a && bracketed_b) {
    if (bracketed_a->open != bracketed_b->open || bracketed_a->close != bracketed_b->close)
      return false;
    const Parts parts_a = split_outside_brackets(bracketed_a->inside, ",");
    const Parts parts_b = split_outside_brackets(bracketed_b->inside, ",");
    return bracketed_a->open == "\\{" ? equal_in_any_order(parts_a, parts_b)
                                      : equal_in_order(parts_a, parts_b);
  }

  const std::string signs_a = with_both_signs(a);
  const std::string signs_b = with_both_signs(b);
  const Parts list_a = split_outside_brackets(signs_a, ",");
  return list_a.size() > 1 && equal_in_any_order(list_a, split_outside_brackets(signs_b, ","));
}

}  // namespace

bool math_exact_match(std::string_view answer, std::string_view gold) {
  if (!answer.empty() && answer == gold) return true;
  if (std::max(answer.size(), gold.size()) > kLongest) return false;
  return equal_formulas(answer, gold, false).value_or(false);
}

bool math_equivalent(std::string_view answer, std::string_view gold) {
  if (answer.empty() || gold.empty()) return false;
  if (answer == gold) return true;
  if (std::max(answer.size(), gold.size()) > kLongest) return false;
  const std::string a = plain(answer);
  const std::string b = plain(gold);
  if (a.empty() || b.empty()) return false;
  return equal(a, b) || equal(without_unit(a), without_unit(b));
}

}  // namespace demix
