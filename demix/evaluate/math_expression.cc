#include "demix/evaluate/math_expression.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "demix/evaluate/latex_tokens.h"
#include "demix/evaluate/math_functions.h"

namespace demix {
namespace {

using Complex = std::complex<long double>;

constexpr int kDeepest = 60;
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

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Recursive descent; each function reads what it is named for and gives its value.
class Reader {
 public:
  Reader(std::string_view text, const ExpressionOptions& options)
      : tokens_(text), options_(options) {}

  MathNumber whole() {
    const MathNumber value = sum();
    if (!tokens_.peek().empty()) throw UnreadableLatex();
    return value;
  }

 private:
  MathNumber sum() {
    MathNumber value = product();
    for (;;) {
      if (tokens_.take_if("+")) {
        value = value + product();
      } else if (tokens_.take_if("-")) {
        value = value - product();
      } else {
        return value;
      }
    }
  }

  MathNumber product() {
    MathNumber value = signed_factors();
    for (;;) {
      if (tokens_.take_if("*") || tokens_.take_if("\\cdot") || tokens_.take_if("\\times")) {
        value = value * signed_factors();
      } else if (tokens_.take_if("/") || tokens_.take_if("\\div") || tokens_.take_if(":")) {
        value = value / signed_factors();
      } else {
        return value;
      }
    }
  }

  MathNumber signed_factors() {
    bool negative = false;
    for (;;) {
      if (tokens_.take_if("-")) {
        negative = !negative;
      } else if (!tokens_.take_if("+")) {
        break;
      }
    }
    bool whole_number = tokens_.at_digit();
    MathNumber value = factor();
    while (starts_factor()) {
      const bool fraction =
          tokens_.peek() == "\\frac" || tokens_.peek() == "\\dfrac" || tokens_.peek() == "\\tfrac";
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
    const std::string_view next = tokens_.peek();
    if (next.empty()) return false;
    if (next == "|") return !within_bars_;
    if (within_function_ && math_function(next) != nullptr) return false;
    if (next == "\\cdot" || next == "\\times" || next == "\\div") return false;
    for (const auto& [open, close] : kBrackets)
      if (next == close) return false;
    return tokens_.at_digit() || is_letter(next[0]) || next == "(" || next == "[" || next == "{" ||
           next == "." || (next.size() > 1 && (is_letter(next[1]) || next == "\\{"));
  }

  MathNumber factor() {
    if (++depth_ > kDeepest) throw UnreadableLatex();
    MathNumber value = primary();
    for (;;) {
      if (tokens_.take_if("^")) {
        value = power(value, tokens_.peek() == "{" ? primary() : atom());
      } else if (tokens_.take_if("!")) {
        value = factorial(value);
      } else {
        --depth_;
        return value;
      }
    }
  }

  // What may stand behind ^ without braces.
  MathNumber atom() {
    const std::string_view next = tokens_.peek();
    if (next == "(" || next == "[" || next == "|") throw UnreadableLatex();
    return primary();
  }

  MathNumber primary() {
    const std::string_view next = tokens_.peek();
    if (next.empty()) throw UnreadableLatex();
    if (tokens_.at_digit() || next == ".") return MathNumber::of_digits(tokens_.take_number());
    for (const auto& [open, close] : kBrackets)
      if (next == open) return bracketed(open, close);
    if (math_function(next) != nullptr) return function();
    if (tokens_.take_if("\\frac") || tokens_.take_if("\\dfrac") || tokens_.take_if("\\tfrac") ||
        tokens_.take_if("\\cfrac")) {
      const MathNumber above = argument();
      return above / argument();
    }
    if (tokens_.take_if("\\binom") || tokens_.take_if("\\dbinom") || tokens_.take_if("\\tbinom")) {
      const MathNumber n = argument();
      const MathNumber k = argument();
      return factorial(n) / (factorial(k) * factorial(n - k));
    }
    if (tokens_.take_if("\\sqrt")) {
      MathNumber degree = 2;
      if (tokens_.take_if("[")) {
        degree = sum();
        tokens_.expect("]");
      }
      return power(argument(), MathNumber(1) / degree);
    }
    return symbol();
  }

  // One digit, or braces.
  MathNumber argument() {
    if (tokens_.at_digit()) return tokens_.take()[0] - '0';
    tokens_.expect("{");
    const MathNumber value = within(false, [this] { return sum(); });
    tokens_.expect("}");
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
    tokens_.take();
    const MathNumber value = within(open == "|", [this] { return sum(); });
    tokens_.expect(close);
    const Complex z = value.approximation();
    if (open == "|" || open == "\\lvert") {
      if (!value.is_exact()) return MathNumber(Complex(std::abs(z)));
      return z.real() < 0 ? -value : value;
    }
    if (open != "\\lfloor" && open != "\\lceil") return value;
    const long double rounded = open == "\\lfloor" ? std::floor(z.real()) : std::ceil(z.real());
    if (std::abs(z.imag()) > 0 || !(std::abs(rounded) < 1e9L)) throw UnreadableLatex();
    return static_cast<int>(rounded);
  }

  MathNumber function() {
    const std::string_view name = tokens_.take();
    std::optional<MathNumber> base;
    std::optional<MathNumber> exponent;
    for (;;) {
      if (name == "\\log" && !base && tokens_.take_if("_")) {
        base = tokens_.peek() == "{" ? argument() : single_digit_or_letter();
      } else if (!exponent && tokens_.take_if("^")) {
        exponent = tokens_.peek() == "{" ? argument() : single_digit_or_letter();
      } else {
        break;
      }
    }
    MathNumber x = 0;
    if (tokens_.peek() == "(") {
      x = bracketed("(", ")");
    } else {
      const bool before = std::exchange(within_function_, true);
      x = product();
      within_function_ = before;
    }
    MathNumber value(base ? std::log(x.approximation()) / std::log(base->approximation())
                          : math_function(name)(x.approximation()));
    return exponent ? power(value, *exponent) : value;
  }

  MathNumber single_digit_or_letter() {
    if (tokens_.at_digit()) return tokens_.take()[0] - '0';
    return symbol();
  }

  MathNumber symbol() {
    std::string name(tokens_.take());
    if (!is_letter(name[name.size() > 1 ? 1 : 0]) || is_no_symbol(name)) throw UnreadableLatex();
    if (tokens_.take_if("_")) {
      name += '_';
      if (tokens_.take_if("{")) {
        while (tokens_.peek() != "}") name += tokens_.take();
        tokens_.expect("}");
      } else {
        name += tokens_.take();
      }
    }
    while (tokens_.take_if("'")) name += '\'';
    return MathNumber(symbol_value(name, options_.variables));
  }

  LatexTokens tokens_;
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
  } catch (const UnreadableLatex&) {
    return std::nullopt;
  }
}

}  // namespace demix
