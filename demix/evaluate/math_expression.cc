#include "demix/evaluate/math_expression.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

namespace demix {
namespace {

using Complex = std::complex<long double>;

constexpr int kDeepest = 60;
constexpr std::array<std::string_view, 10> kSkipped{
    "\\left", "\\right", "\\!", "\\,", "\\;", "\\:", "\\quad", "\\qquad", " ", "\n"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kBrackets{{
    {"(", ")"},
    {"[", "]"},
    {"{", "}"},
    {"\\{", "\\}"},
    {"\\lfloor", "\\rfloor"},
    {"\\lceil", "\\rceil"},
    {"\\langle", "\\rangle"},
    {"\\lvert", "\\rvert"},
    {"|", "|"},
}};
constexpr std::array<std::string_view, 13> kFunctions{"\\sin",
                                                      "\\cos",
                                                      "\\tan",
                                                      "\\cot",
                                                      "\\sec",
                                                      "\\csc",
                                                      "\\arcsin",
                                                      "\\arccos",
                                                      "\\arctan",
                                                      "\\ln",
                                                      "\\log",
                                                      "\\lg",
                                                      "\\exp"};

constexpr std::array<std::string_view, 16> kNoSymbols{"\\infty",
                                                      "\\begin",
                                                      "\\end",
                                                      "\\pm",
                                                      "\\mp",
                                                      "\\cup",
                                                      "\\cap",
                                                      "\\in",
                                                      "\\le",
                                                      "\\leq",
                                                      "\\ge",
                                                      "\\geq",
                                                      "\\lt",
                                                      "\\gt",
                                                      "\\ne",
                                                      "\\neq"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Thrown and caught in this file alone.
struct Unreadable {};

Complex function_value(std::string_view name, Complex x) {
  if (name == "\\sin") return std::sin(x);
  if (name == "\\cos") return std::cos(x);
  if (name == "\\tan") return std::tan(x);
  if (name == "\\cot") return std::cos(x) / std::sin(x);
  if (name == "\\sec") return 1.0L / std::cos(x);
  if (name == "\\csc") return 1.0L / std::sin(x);
  if (name == "\\arcsin") return std::asin(x);
  if (name == "\\arccos") return std::acos(x);
  if (name == "\\arctan") return std::atan(x);
  if (name == "\\ln") return std::log(x);
  if (name == "\\exp") return std::exp(x);
  if (name == "\\log" || name == "\\lg") return std::log(x) / std::numbers::ln10_v<long double>;
  throw Unreadable();
}

// The same name has the same value in every formula; the sets differ in their quadrants.
MathNumber variable_value(std::string_view name, int set) {
  uint64_t hash = 1469598103934665603ULL + static_cast<uint64_t>(set);
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  const auto fraction = [&hash] {
    hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9ULL;
    return 0.25L + static_cast<long double>(hash >> 40) / (1ULL << 24);
  };
  const long double real = fraction();
  const long double imaginary = fraction();
  return MathNumber(Complex(set & 1 ? -real : real, set & 2 ? -imaginary : imaginary));
}

// Recursive descent; each function reads what it is named for and gives its value.
class Reader {
 public:
  Reader(std::string_view text, const ExpressionOptions& options)
      : rest_(text), options_(options) {}

  MathNumber whole() {
    const MathNumber value = sum();
    if (!token().empty()) throw Unreadable();
    return value;
  }

 private:
  // The next token without taking it: a command, or one character. Empty at the end.
  std::string_view token() {
    for (bool again = true; again;) {
      again = false;
      for (const std::string_view skipped : kSkipped) {
        if (!rest_.starts_with(skipped)) continue;
        const bool goes_on = rest_.size() > skipped.size() && is_letter(rest_[skipped.size()]);
        if (skipped.size() > 2 && goes_on) continue;  // \leftarrow is not \left
        rest_.remove_prefix(skipped.size());
        again = true;
      }
    }
    if (rest_.empty()) return rest_;
    if (rest_[0] != '\\') return rest_.substr(0, 1);
    size_t size = 1;
    while (size < rest_.size() && is_letter(rest_[size])) ++size;
    return rest_.substr(0, std::max<size_t>(size, std::min<size_t>(2, rest_.size())));
  }
  std::string_view take() {
    const std::string_view taken = token();
    if (taken.empty()) throw Unreadable();
    rest_.remove_prefix(taken.size());
    return taken;
  }
  bool take_if(std::string_view wanted) {
    if (token() != wanted) return false;
    take();
    return true;
  }
  void expect(std::string_view wanted) {
    if (!take_if(wanted)) throw Unreadable();
  }

  MathNumber sum() {
    MathNumber value = product();
    for (;;) {
      if (take_if("+")) {
        value = value + product();
      } else if (take_if("-")) {
        value = value - product();
      } else {
        return value;
      }
    }
  }

  MathNumber product() {
    MathNumber value = signed_factors();
    for (;;) {
      if (take_if("*") || take_if("\\cdot") || take_if("\\times")) {
        value = value * signed_factors();
      } else if (take_if("/") || take_if("\\div") || take_if(":")) {
        value = value / signed_factors();
      } else {
        return value;
      }
    }
  }

  MathNumber signed_factors() {
    bool negative = false;
    for (;;) {
      if (take_if("-")) {
        negative = !negative;
      } else if (!take_if("+")) {
        break;
      }
    }
    bool whole_number = is_digit(token().empty() ? ' ' : token()[0]);
    MathNumber value = factor();
    while (starts_factor()) {
      const bool fraction = token() == "\\frac" || token() == "\\dfrac" || token() == "\\tfrac";
      if (options_.mixed_numbers && whole_number && fraction && value.small_integer()) {
        value = value + factor();
      } else {
        value = value * factor();
      }
      whole_number = false;
    }
    return negative ? -value : value;
  }

  bool starts_factor() {
    const std::string_view next = token();
    if (next.empty()) return false;
    if (next == "|") return !within_bars_;
    if (within_function_ && std::ranges::count(kFunctions, next) > 0) return false;
    if (next == "\\cdot" || next == "\\times" || next == "\\div") return false;
    for (const auto& [open, close] : kBrackets)
      if (next == close) return false;
    return is_digit(next[0]) || is_letter(next[0]) || next == "(" || next == "[" || next == "{" ||
           next == "." || (next.size() > 1 && (is_letter(next[1]) || next == "\\{"));
  }

  MathNumber factor() {
    if (++depth_ > kDeepest) throw Unreadable();
    MathNumber value = primary();
    for (;;) {
      if (take_if("^")) {
        value = power(value, token() == "{" ? primary() : atom());
      } else if (take_if("!")) {
        value = factorial(value);
      } else {
        --depth_;
        return value;
      }
    }
  }

  // What may stand behind ^ without braces.
  MathNumber atom() {
    const std::string_view next = token();
    if (next == "(" || next == "[" || next == "|") throw Unreadable();
    return primary();
  }

  MathNumber primary() {
    const std::string_view next = token();
    if (next.empty()) throw Unreadable();
    if (is_digit(next[0]) || next == ".") return number();
    for (const auto& [open, close] : kBrackets)
      if (next == open) return bracketed(open, close);
    if (std::ranges::count(kFunctions, next) > 0) return function();
    if (take_if("\\frac") || take_if("\\dfrac") || take_if("\\tfrac") || take_if("\\cfrac")) {
      const MathNumber above = argument();
      return above / argument();
    }
    if (take_if("\\binom") || take_if("\\dbinom") || take_if("\\tbinom")) {
      const MathNumber n = argument();
      const MathNumber k = argument();
      return factorial(n) / (factorial(k) * factorial(n - k));
    }
    if (take_if("\\sqrt")) {
      MathNumber degree = 2;
      if (take_if("[")) {
        degree = sum();
        expect("]");
      }
      return power(argument(), MathNumber(1) / degree);
    }
    return symbol();
  }

  // One digit, or braces.
  MathNumber argument() {
    if (token().size() == 1 && is_digit(token()[0])) return take()[0] - '0';
    expect("{");
    const MathNumber value = within(false, [this] { return sum(); });
    expect("}");
    return value;
  }

  template <typename Read>
  MathNumber within(bool bars, Read read) {
    const bool bars_before = std::exchange(within_bars_, bars);
    const bool function_before = std::exchange(within_function_, false);
    const MathNumber value = read();
    within_bars_ = bars_before;
    within_function_ = function_before;
    return value;
  }

  MathNumber bracketed(std::string_view open, std::string_view close) {
    take();
    const MathNumber value = within(open == "|", [this] { return sum(); });
    expect(close);
    const Complex z = value.approximation();
    if (open == "|" || open == "\\lvert") {
      if (!value.is_exact()) return MathNumber(Complex(std::abs(z)));
      return z.real() < 0 ? -value : value;
    }
    if (open != "\\lfloor" && open != "\\lceil") return value;
    const long double rounded = open == "\\lfloor" ? std::floor(z.real()) : std::ceil(z.real());
    if (std::abs(z.imag()) > 0 || !(std::abs(rounded) < 1e9L)) throw Unreadable();
    return static_cast<int>(rounded);
  }

  MathNumber number() {
    std::string digits;
    const auto take_digits = [&] {
      while (!token().empty() && is_digit(token()[0])) digits += take();
    };
    take_digits();
    // Commas that group thousands: exactly three digits behind each.
    while (!digits.empty() && rest_.size() >= 4 && rest_[0] == ',' && is_digit(rest_[1]) &&
           is_digit(rest_[2]) && is_digit(rest_[3]) && (rest_.size() == 4 || !is_digit(rest_[4]))) {
      digits += rest_.substr(1, 3);
      rest_.remove_prefix(4);
    }
    if (take_if(".")) {
      digits += '.';
      const size_t before = digits.size();
      take_digits();
      if (digits.size() == before) throw Unreadable();
    }
    return MathNumber::of_digits(digits);
  }

  MathNumber function() {
    const std::string_view name = take();
    std::optional<MathNumber> base;
    std::optional<MathNumber> exponent;
    for (;;) {
      if (name == "\\log" && !base && take_if("_")) {
        base = token() == "{" ? argument() : single_digit_or_letter();
      } else if (!exponent && take_if("^")) {
        exponent = token() == "{" ? argument() : single_digit_or_letter();
      } else {
        break;
      }
    }
    MathNumber x = 0;
    if (token() == "(") {
      x = bracketed("(", ")");
    } else {
      const bool before = std::exchange(within_function_, true);
      x = product();
      within_function_ = before;
    }
    MathNumber value(base ? std::log(x.approximation()) / std::log(base->approximation())
                          : function_value(name, x.approximation()));
    return exponent ? power(value, *exponent) : value;
  }

  MathNumber single_digit_or_letter() {
    if (token().size() == 1 && is_digit(token()[0])) return take()[0] - '0';
    return symbol();
  }

  MathNumber symbol() {
    std::string name(take());
    if (!is_letter(name[name.size() > 1 ? 1 : 0]) || std::ranges::count(kNoSymbols, name) > 0)
      throw Unreadable();
    if (name == "\\pi") return MathNumber(Complex(std::numbers::pi_v<long double>));
    const bool has_index = take_if("_");
    if (has_index) {
      name += '_';
      if (take_if("{")) {
        while (token() != "}") name += take();
        expect("}");
      } else {
        name += take();
      }
    }
    while (take_if("'")) name += '\'';
    if (name == "e") return MathNumber(Complex(std::numbers::e_v<long double>));
    if (name == "i") return MathNumber(Complex(0, 1));
    return variable_value(name, options_.variables);
  }

  std::string_view rest_;
  const ExpressionOptions& options_;
  int depth_ = 0;
  bool within_bars_ = false;
  bool within_function_ = false;
};

}  // namespace

std::optional<MathNumber> expression_value(std::string_view latex,
                                           const ExpressionOptions& options) {
  try {
    const MathNumber value = Reader(latex, options).whole();
    return value.is_finite() ? std::optional(value) : std::nullopt;
  } catch (const Unreadable&) {
    return std::nullopt;
  }
}

}  // namespace demix
