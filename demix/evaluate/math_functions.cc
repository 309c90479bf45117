#include "demix/evaluate/math_functions.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numbers>
#include <utility>

namespace demix {
namespace {

using Complex = std::complex<long double>;

Complex log_of_base_ten(Complex x) { return std::log(x) / std::numbers::ln10_v<long double>; }

constexpr std::array<std::pair<std::string_view, MathFunction>, 13> kFunctions{{
    {"\\sin", [](Complex x) { return std::sin(x); }},
    {"\\cos", [](Complex x) { return std::cos(x); }},
    {"\\tan", [](Complex x) { return std::tan(x); }},
    {"\\cot", [](Complex x) { return std::cos(x) / std::sin(x); }},
    {"\\sec", [](Complex x) { return 1.0L / std::cos(x); }},
    {"\\csc", [](Complex x) { return 1.0L / std::sin(x); }},
    {"\\arcsin", [](Complex x) { return std::asin(x); }},
    {"\\arccos", [](Complex x) { return std::acos(x); }},
    {"\\arctan", [](Complex x) { return std::atan(x); }},
    {"\\exp", [](Complex x) { return std::exp(x); }},
    {"\\ln", [](Complex x) { return std::log(x); }},
    {"\\log", log_of_base_ten},
    {"\\lg", log_of_base_ten},
}};

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

}  // namespace

MathFunction math_function(std::string_view command) {
  for (const auto& [name, function] : kFunctions)
    if (name == command) return function;
  return nullptr;
}

Complex symbol_value(std::string_view name, int set) {
  if (name == "i") return {0, 1};
  if (name == "e") return std::numbers::e_v<long double>;
  if (name == "\\pi") return std::numbers::pi_v<long double>;
  uint64_t hash = 1469598103934665603ULL + static_cast<uint64_t>(set);
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  const auto fraction = [&hash] {
    hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9ULL;
    return 0.25L + static_cast<long double>(hash >> 40) / (1ULL << 24);
  };
  const long double real = fraction();
  const long double imaginary = fraction();
  return {set & 1 ? -real : real, set & 2 ? -imaginary : imaginary};
}

bool is_no_symbol(std::string_view command) {
  return std::ranges::find(kNoSymbols, command) != kNoSymbols.end();
}

}  // namespace demix
