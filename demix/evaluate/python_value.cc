#include "demix/evaluate/python_value.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "demix/corpus/utf8.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

// The shortest digits that read back as the same number; an exponent where it is below -4 or
// from 16 on.
std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 40> buffer;
  const auto end = std::to_chars(
      buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string text(buffer.data(), end.ptr);
  const size_t mark = text.find('e');
  const int exponent = std::stoi(text.substr(mark + 1));
  if (exponent < -4 || exponent >= 16) return text;
  const auto fixed =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  text.assign(buffer.data(), fixed.ptr);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

std::string text_repr(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string repr(1, quote);
  for (const char32_t c : code_points(text)) {
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      repr += '\\';
      append_utf8(c, repr);
    } else if (c == '\n') {
      repr += "\\n";
    } else if (c == '\r') {
      repr += "\\r";
    } else if (c == '\t') {
      repr += "\\t";
    } else if (is_printable(c)) {
      append_utf8(c, repr);
    } else if (c < 0x100) {
      repr += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else if (c < 0x10000) {
      repr += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      repr += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
  }
  return repr + quote;
}

// Reads a literal from `text` on.
class Literal {
 public:
  explicit Literal(std::string_view text) : text_(text) {}

  std::optional<Json> whole() {
    Json value;
    if (!read(value, 0)) return std::nullopt;
    skip_blanks();
    if (at_ != text_.size()) return std::nullopt;
    return value;
  }

 private:
  static constexpr int kMaxDepth = 50;

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }
  bool skip(std::string_view word) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool read(Json& value, int depth) {
    if (depth > kMaxDepth) return false;
    skip_blanks();
    const char c = peek();
    if (c == '\'' || c == '"') return read_texts(value);
    if (c == '[' || c == '(') return read_list(value, depth);
    if (c == '{') return read_dict(value, depth);
    const std::array<std::pair<std::string_view, Json>, 3> words{
        {{"True", true}, {"False", false}, {"None", nullptr}}};
    for (const auto& [word, meaning] : words)
      if (skip(word)) {
        value = meaning;
        return true;
      }
    return read_number(value);
  }

  // "'a' 'b'" is one text.
  bool read_texts(Json& value) {
    std::string all;
    do {
      const bool is_triple = text_.substr(at_).starts_with(std::string(3, peek()));
      const std::string quote(is_triple ? 3 : 1, peek());
      at_ += quote.size();
      while (!text_.substr(at_).starts_with(quote)) {
        if (at_ >= text_.size() || (peek() == '\n' && !is_triple)) return false;
        if (peek() == '\\') {
          ++at_;
          if (at_ >= text_.size()) return false;
          all += python_escape(text_, at_);
        } else {
          all += text_[at_++];
        }
      }
      at_ += quote.size();
      skip_blanks();
    } while (peek() == '\'' || peek() == '"');
    value = std::move(all);
    return true;
  }

  bool read_list(Json& value, int depth) {
    const char close = peek() == '[' ? ']' : ')';
    ++at_;
    value = Json::array();
    bool has_comma = false;
    while (!skip({&close, 1})) {
      if (!value.empty() && !std::exchange(has_comma, false)) return false;
      if (!read(value.emplace_back(), depth + 1)) return false;
      has_comma = skip(",");
    }
    // "(a)" is a itself.
    if (close == ')' && value.size() == 1 && !has_comma) value = Json(value[0]);
    return true;
  }

  bool read_dict(Json& value, int depth) {
    ++at_;
    value = Json::object();
    bool has_comma = true;
    while (!skip("}")) {
      if (!std::exchange(has_comma, false)) return false;
      Json key, content;
      if (!read(key, depth + 1) || !key.is_string() || !skip(":") || !read(content, depth + 1))
        return false;
      value[key.get<std::string>()] = std::move(content);
      has_comma = skip(",");
    }
    return true;
  }

  bool read_number(Json& value) {
    const size_t begin = at_;
    if (peek() == '-' || peek() == '+') ++at_;
    const size_t digits = at_;
    while ((peek() >= '0' && peek() <= '9') || peek() == '.' || peek() == 'e' || peek() == 'E' ||
           ((peek() == '-' || peek() == '+') && (text_[at_ - 1] | 32) == 'e'))
      ++at_;
    std::string_view number = text_.substr(digits, at_ - digits);
    const bool negative = text_[begin] == '-';
    if (are_digits(number)) {
      if (number.size() > 1 && number[0] == '0' && number.find_first_not_of('0') < number.size())
        return false;
      int64_t integer = 0;
      const auto parsed = std::from_chars(number.data(), number.data() + number.size(), integer);
      value = negative ? -integer : integer;
      return parsed.ec == std::errc();
    }
    double real = 0;
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), real);
    value = negative ? -real : real;
    return !number.empty() && parsed.ec == std::errc() &&
           parsed.ptr == number.data() + number.size();
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

bool are_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string python_str(const Json& value) {
  return value.is_string() ? value.get<std::string>() : python_repr(value);
}

std::string python_repr(const Json& value) {
  if (value.is_null()) return "None";
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  if (value.is_string()) return text_repr(value.get_ref<const std::string&>());
  if (value.is_number_float()) return float_repr(value.get<double>());
  if (value.is_number()) return value.dump();
  std::string repr;
  if (value.is_array()) {
    for (const Json& element : value) repr += (repr.empty() ? "" : ", ") + python_repr(element);
    return "[" + repr + "]";
  }
  for (const auto& [key, element] : value.items())
    repr += (repr.empty() ? "" : ", ") + text_repr(key) + ": " + python_repr(element);
  return "{" + repr + "}";
}

bool python_truth(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

bool python_equal(const Json& a, const Json& b) {
  const auto number = [](const Json& value) {
    return value.is_boolean() ? Json(value.get<bool>() ? 1 : 0) : value;
  };
  if (a.is_array() && b.is_array()) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i)
      if (!python_equal(a[i], b[i])) return false;
    return true;
  }
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.items())
      if (!b.contains(key) || !python_equal(value, b[key])) return false;
    return true;
  }
  return number(a) == number(b);
}

std::optional<Json> python_literal(std::string_view text) { return Literal(text).whole(); }

std::string python_escape(std::string_view text, size_t& at) {
  constexpr std::string_view kNames = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
  const char c = text[at++];
  if (c == '\n') return "";
  if (const size_t found = kNames.find(c); found != std::string_view::npos)
    return {kMeanings[found]};
  std::string result;
  const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  const bool octal = c >= '0' && c <= '7';
  if (octal) --at;
  const size_t most = octal ? 3 : digits;
  size_t count = 0;
  while (count < most && at + count < text.size()) {
    const char digit = text[at + count];
    const bool fits =
        octal ? digit >= '0' && digit <= '7'
              : (digit >= '0' && digit <= '9') || ((digit | 32) >= 'a' && (digit | 32) <= 'f');
    if (!fits) break;
    ++count;
  }
  uint32_t value = 0;
  if (count > 0 && (octal || count == digits)) {
    std::from_chars(text.data() + at, text.data() + at + count, value, octal ? 8 : 16);
    at += count;
    if (value < 0x110000 && !(value >= 0xD800 && value < 0xE000)) append_utf8(value, result);
    return result;
  }
  return std::string("\\") + c;
}

}  // namespace demix
