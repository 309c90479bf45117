// Numbers and formulas in LaTeX, as answers to MATH have them: sums, products (also by mere
// neighbourhood), quotients, powers, factorials, |x|, \frac, \sqrt, \binom, roundings, logarithms
// and trigonometric functions of numbers and variables.
//
// Read as sympy's LaTeX parser reads them, since the harness uses it: 1/2x is 1/(2x), 2^10 is 1024,
// every letter and every unknown command is a variable, x_1 and x_{1} are the same one. Unlike
// there, i is the imaginary unit, e and \pi are numbers, x(x+1) is a product, and text that goes on
// behind a formula makes it unreadable.
#pragma once

#include <optional>
#include <string_view>

#include "demix/evaluate/math_number.h"

namespace demix {

struct ExpressionOptions {
  // 7\frac{3}{4} is 7 + 3/4, not 7 times 3/4 as sympy has it.
  bool mixed_numbers = false;
  // Which complex values the variables have: two formulas are equal when they are for several.
  int variables = 0;
};

// The value, or nothing when the text is no formula, is nested deeper than 60, or has no finite
// value.
std::optional<MathNumber> expression_value(std::string_view latex,
                                           const ExpressionOptions& options = {});

}  // namespace demix
