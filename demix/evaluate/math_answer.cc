#include "demix/evaluate/math_answer.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "demix/evaluate/text.h"

namespace demix {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kSubstitutions{{
    {"an ", ""},
    {"a ", ""},
    {".$", "$"},
    {"\\$", ""},
    {"\\ ", ""},
    {" ", ""},
    {"mbox", "text"},
    {",\\text{and}", ","},
    {"\\text{and}", ","},
    {"\\text{m}", "\\text{}"},
}};

// In this order: what one removal leaves may be what the next one removes.
constexpr std::array<std::string_view, 42> kRemoved{"square",       "ways",
                                                    "integers",     "dollars",
                                                    "mph",          "inches",
                                                    "ft",           "hours",
                                                    "km",           "units",
                                                    "\\ldots",      "sue",
                                                    "points",       "feet",
                                                    "minutes",      "digits",
                                                    "cents",        "degrees",
                                                    "cm",           "gm",
                                                    "pounds",       "meters",
                                                    "meals",        "edges",
                                                    "students",     "childrentickets",
                                                    "multiples",    "\\text{s}",
                                                    "\\text{.}",    "\\text{\ns}",
                                                    "\\text{}^2",   "\\text{}^3",
                                                    "\\text{\n}",   "\\text{}",
                                                    "\\mathrm{th}", "^\\circ",
                                                    "^{\\circ}",    "\\;",
                                                    ",\\!",         "{,}",
                                                    "\"",           "\\dots"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// Python's \w, with every character beyond ASCII taken for a letter.
bool is_word(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// Bytes of the character that begins at `text[i]`; 0 at the end.
size_t character_size(std::string_view text, size_t i) {
  if (i >= text.size()) return 0;
  size_t size = 1;
  while (i + size < text.size() && (static_cast<unsigned char>(text[i + size]) & 0xc0) == 0x80)
    ++size;
  return size;
}

// Removes `word` where it is one: (?<!\\)\bword\b.
std::string without_word(std::string_view text, std::string_view word) {
  std::string result;
  size_t begin = 0;
  for (size_t at = text.find(word); at != kNowhere; at = text.find(word, begin)) {
    const size_t end = at + word.size();
    const bool free_before = at == 0 || (!is_word(text[at - 1]) && text[at - 1] != '\\');
    const bool free_behind = end == text.size() || !is_word(text[end]);
    const size_t next = free_before && free_behind ? end : at + 1;
    result += text.substr(begin, free_before && free_behind ? at - begin : next - begin);
    begin = next;
  }
  return result += text.substr(begin);
}

// Removes `part` everywhere but within the names of LaTeX commands.
std::string without_outside_of_commands(std::string_view text, std::string_view part) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    size_t command = i;
    while (command + 1 < text.size() && !(text[command] == '\\' && is_letter(text[command + 1])))
      ++command;
    if (command + 1 >= text.size()) command = text.size();
    result += replace_all(text.substr(i, command - i), part, "");
    i = command;
    if (i == text.size()) break;
    size_t end = i + 1;
    while (end < text.size() && is_letter(text[end])) ++end;
    result += text.substr(i, end - i);
    i = end;
  }
  return result;
}

// Of every line with two dollar signs only what is from the first to the second.
std::string only_between_dollars(std::string_view text) {
  std::string result;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    const size_t first = line.find('$');
    const size_t second = first == kNowhere ? kNowhere : line.find('$', first + 1);
    if (second != kNowhere) line = line.substr(first, second + 1 - first);
    result += line;
    if (end < text.size()) result += '\n';
    begin = end + 1;
  }
  return result;
}

// Replaces open…} by what is between, up to the first "}" of the line or the last.
std::string unwrapped(std::string_view text, std::string_view open, bool up_to_last) {
  std::string result;
  size_t begin = 0;
  for (size_t at = text.find(open); at != kNowhere; at = text.find(open, begin)) {
    const size_t inside = at + open.size();
    const std::string_view line = text.substr(inside, text.find('\n', inside) - inside);
    const size_t close = up_to_last ? line.rfind('}') : line.find('}');
    if (close == kNowhere) {
      result += text.substr(begin, inside - begin);
      begin = inside;
      continue;
    }
    result += text.substr(begin, at - begin);
    result += line.substr(0, close);
    begin = inside + close + 1;
  }
  return result += text.substr(begin);
}

// frac12 becomes frac{1}{2}: (frac)([^{])(.)
std::string with_fraction_braces(std::string_view text) {
  std::string result;
  size_t begin = 0;
  for (size_t at = text.find("frac"); at != kNowhere; at = text.find("frac", begin)) {
    const size_t a = at + 4;
    const size_t b = a + character_size(text, a);
    const size_t end = b + character_size(text, b);
    if (a == text.size() || text[a] == '{' || b == text.size() || text[b] == '\n') {
      result += text.substr(begin, a - begin);
      begin = a;
      continue;
    }
    result += text.substr(begin, a - begin);
    result.append("{").append(text.substr(a, b - a)).append("}{").append(text.substr(b, end - b));
    result += "}";
    begin = end;
  }
  return result += text.substr(begin);
}

// sqrt3 becomes sqrt{3}, and with `of_index` sqrt[3]2 becomes sqrt[3]{2}.
std::string with_root_braces(std::string_view text, bool of_index) {
  std::string result;
  size_t begin = 0;
  for (size_t at = text.find("sqrt"); at != kNowhere; at = text.find("sqrt", begin)) {
    size_t a = at + 4;
    const bool has_index = a < text.size() && text[a] == '[';
    const size_t close = has_index ? text.find(']', a) : kNowhere;
    if (of_index && close != kNowhere) a = close + 1;
    const bool fits = a < text.size() && has_index == of_index &&
                      (of_index ? close != kNowhere && is_word(text[a]) : text[a] != '{');
    const size_t behind = fits ? a : at + 4;
    result += text.substr(begin, behind - begin);
    begin = behind;
    if (!fits) continue;
    begin += character_size(text, a);
    result.append("{").append(text.substr(a, begin - a)).append("}");
  }
  return result += text.substr(begin);
}

// Whether all commas group thousands: -?\d{1,3}(,\d{3})+
bool is_grouped_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  size_t digits = 0;
  size_t groups = 0;
  for (const char c : text) {
    if (is_digit(c)) {
      if (++digits > 3) return false;
    } else if (c == ',' && digits > 0 && (groups == 0 || digits == 3)) {
      digits = 0;
      ++groups;
    } else {
      return false;
    }
  }
  return groups > 0 && digits == 3;
}

}  // namespace

std::string generated_math_answer(std::string_view generated) {
  constexpr std::string_view kBefore = "Final Answer: The final answer is";
  constexpr std::string_view kBehind = " I hope it is correct";
  // The harness adds the end of the phrase, which counts where the text breaks off before it.
  const std::string text = std::string(generated) + "I hope it is correct.";
  for (size_t at = text.find(kBefore); at != kNowhere; at = text.find(kBefore, at + 1)) {
    const size_t inside = at + kBefore.size();
    const std::string_view line =
        std::string_view(text).substr(inside, text.find('\n', inside) - inside);
    // One character before and one behind, which need not be full stops.
    const size_t behind = line.find(kBehind, character_size(line, 0));
    if (behind == kNowhere || behind == 0 || behind + kBehind.size() == line.size()) continue;
    size_t end = behind - 1;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;
    return std::string(strip(line.substr(0, end)));
  }
  return std::string(kNoMathAnswer);
}

std::optional<std::string> boxed_math_answer(std::string_view solution) {
  constexpr std::string_view kBoxed = "\\boxed";
  constexpr std::string_view kBlankBoxed = "\\boxed ";
  if (const size_t at = solution.rfind(kBlankBoxed); at != kNowhere) {
    const std::string_view rest = solution.substr(at + kBlankBoxed.size());
    return std::string(rest.substr(0, rest.find('$')));
  }
  const size_t at = solution.rfind(kBoxed);
  if (at == kNowhere) return std::nullopt;
  const size_t inside = at + kBoxed.size();
  if (!solution.substr(inside).starts_with('{')) return std::nullopt;
  int open = 0;
  for (size_t i = inside; i < solution.size(); ++i) {
    if (solution[i] == '{') ++open;
    if (solution[i] == '}' && --open == 0)
      return std::string(solution.substr(inside + 1, i - inside - 1));
  }
  return std::nullopt;
}

std::string normalized_math_answer(std::string_view answer) {
  const size_t equals = answer.rfind('=');
  std::string text(equals == kNowhere ? answer : answer.substr(equals + 1));
  const auto is_unit = [](std::string_view part) { return std::ranges::all_of(part, is_letter); };
  for (const std::string_view part : kRemoved)
    if (is_unit(part)) text = without_word(text, part);
  for (const auto& [from, to] : kSubstitutions) text = replace_all(text, from, to);
  for (const std::string_view part : kRemoved)
    text = is_unit(part) ? without_outside_of_commands(text, part) : replace_all(text, part, "");
  text = only_between_dollars(text);
  for (const std::string_view open : {"\\text{", "\\textbf{", "\\overline{"})
    text = unwrapped(text, open, false);
  text = unwrapped(text, "\\boxed{", true);
  text = with_fraction_braces(text);
  text = with_root_braces(with_root_braces(text, true), false);
  text = replace_all(text, "$", "");
  return is_grouped_number(text) ? replace_all(text, ",", "") : text;
}

}  // namespace demix
