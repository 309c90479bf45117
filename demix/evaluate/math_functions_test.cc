#include "demix/evaluate/math_functions.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

TEST(MathFunctions, AreFoundByTheirCommand) {
  EXPECT_NEAR(std::abs(math_function("\\log")(1000) - 3.0L), 0, 1e-15);
  EXPECT_NEAR(std::abs(math_function("\\cot")(1) * math_function("\\tan")(1) - 1.0L), 0, 1e-15);
  EXPECT_NEAR(std::abs(math_function("\\exp")(math_function("\\ln")(5)) - 5.0L), 0, 1e-15);
  EXPECT_EQ(math_function("\\sinh"), nullptr);
}

TEST(MathFunctions, AVariableVisitsAllQuadrants) {
  for (int set = 0; set < 4; ++set) {
    const auto x = symbol_value("x", set);
    EXPECT_EQ(x.real() < 0, (set & 1) != 0);
    EXPECT_EQ(x.imag() < 0, (set & 2) != 0);
    EXPECT_NE(x, symbol_value("y", set));
  }
  EXPECT_EQ(symbol_value("i", 3), std::complex<long double>(0, 1));
}

TEST(MathFunctions, RelationsAreNoSymbols) {
  EXPECT_TRUE(is_no_symbol("\\le"));
  EXPECT_FALSE(is_no_symbol("\\theta"));
}

}  // namespace
}  // namespace demix
