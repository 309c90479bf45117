// Whether two answers to MATH are equal, once both are normalised (math_answer.h). Neither is a
// computer algebra system: formulas are equal when they have the same value for several values of
// their variables, numbers when they are the same fraction or agree in 15 digits.
#pragma once

#include <string_view>

namespace demix {

// The harness's exact_match (is_equiv of tasks/minerva_math/utils.py): the same text, or two
// numbers or formulas of equal value. Tuples, intervals, sets, matrices, percent and mixed numbers
// are equal as text alone.
bool math_exact_match(std::string_view answer, std::string_view gold);

// As mathematics: besides formulas also tuples and intervals part by part, sets, lists and unions
// in any order, matrices, inequalities, ±, mixed numbers, and numbers with percent signs or units
// that one side leaves out. Percent is a unit: 25\% is 25, not 0.25.
bool math_equivalent(std::string_view answer, std::string_view gold);

}  // namespace demix
