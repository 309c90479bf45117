// What the names in an answer's formula stand for.
#pragma once

#include <complex>
#include <string_view>

namespace demix {

// The function of a command such as \sin or \ln; \log and \lg have base ten. Null for others.
using MathFunction = std::complex<long double> (*)(std::complex<long double>);
MathFunction math_function(std::string_view command);

// The value of i, e, \pi or, for any other name, one that depends on the name and on `set` alone. A
// variable's values in sets 0 to 3 lie in the four quadrants, so that \sqrt{x^2} is not always x.
std::complex<long double> symbol_value(std::string_view name, int set);

// Whether a command is a relation, an operation or a word that is no value, such as \le or \cup.
bool is_no_symbol(std::string_view command);

}  // namespace demix
