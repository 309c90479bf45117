#include "demix/evaluate/math_expression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace demix {
namespace {

// The real value; NaN when the text is no formula.
double value(std::string_view latex) {
  const auto number = expression_value(latex);
  return number ? static_cast<double>(number->approximation().real()) : NAN;
}

TEST(MathExpression, BindsAsSympyReadsLatex) {
  EXPECT_EQ(value("2+3\\cdot4-6/3"), 12);
  EXPECT_EQ(value("-3^2"), -9);
  EXPECT_EQ(value("2^3^2"), 64);
  EXPECT_EQ(value("2^10"), 1024);
  EXPECT_EQ(value("12/3(2)"), 2);  // neighbourhood binds more tightly than a quotient
  EXPECT_EQ(value("--5"), 5);
  EXPECT_EQ(value("3!!"), 720);
  EXPECT_EQ(value("1,234.5"), 1234.5);
  EXPECT_EQ(value("5 6"), 56);
}

TEST(MathExpression, KnowsTheCommandsOfAnswers) {
  EXPECT_EQ(value("\\frac{1}{2}+\\dfrac14"), 0.75);
  EXPECT_DOUBLE_EQ(value("\\sqrt[3]{27}"), 3);
  EXPECT_DOUBLE_EQ(value("2\\sqrt{3}"), 2 * std::sqrt(3));
  EXPECT_DOUBLE_EQ(value("\\frac{3\\pi}{4}"), 3 * M_PI / 4);
  EXPECT_EQ(value("\\binom{5}{2}"), 10);
  EXPECT_EQ(value("|-3|+|4|"), 7);
  EXPECT_EQ(value("2|-3|"), 6);
  EXPECT_EQ(value("\\lfloor\\frac{7}{2}\\rfloor"), 3);
  EXPECT_EQ(value("\\lceil-3.5\\rceil"), -3);
  EXPECT_DOUBLE_EQ(value("\\log_2 8"), 3);
  EXPECT_DOUBLE_EQ(value("\\log_{3}{9}"), 2);
  EXPECT_DOUBLE_EQ(value("\\ln(e^2)"), 2);
  EXPECT_DOUBLE_EQ(value("\\sin\\frac{\\pi}{6}+1"), 1.5);
  EXPECT_DOUBLE_EQ(value("\\sin^2 x+\\cos^{2}(x)"), 1);
  EXPECT_DOUBLE_EQ(value("\\left(1+i\\right)^4"), -4);
}

TEST(MathExpression, VariablesHaveTheSameValueEverywhereInASet) {
  EXPECT_NEAR(value("(x+1)(x-1)-x^2"), -1, 1e-12);
  EXPECT_NEAR(value("x_1-x_{1}"), 0, 1e-12);
  EXPECT_NE(value("x"), value("y"));
  EXPECT_NE(value("x_1"), value("x_2"));
  const auto other = expression_value("x", {.variables = 1});
  EXPECT_NE(other->approximation().real(), expression_value("x")->approximation().real());
}

TEST(MathExpression, MixedNumbersAreSumsWhereAskedFor) {
  EXPECT_EQ(value("7\\frac{3}{4}"), 5.25);
  const auto mixed = expression_value("-7\\frac{3}{4}", {.mixed_numbers = true});
  ASSERT_TRUE(mixed);
  EXPECT_EQ(mixed->approximation().real(), -7.75L);
}

TEST(MathExpression, OtherTextIsNoFormula) {
  for (const char* text : {"",          "(1,2)",      "2,3",
                           "x<5",       "5x\\le3",    "[2,5)",
                           "(3",        "3)",         "5+",
                           "\\frac{1}", "\\frac{1}{", "\\sqrt",
                           "1/0",       "\\infty",    "a\\pm b",
                           "101_2",     "3.",         "|3",
                           "\\",        "x_",         "x_{",
                           "\\log_",    "^2",         "5\\%",
                           "\\sin",     "\\binom3",   "\\begin{pmatrix}1\\end{pmatrix}",
                           "\xff"})
    EXPECT_TRUE(std::isnan(value(text))) << text;
}

TEST(MathExpression, HostileTextIsRefusedInLittleTimeAndStack) {
  for (const char* part :
       {"(", "{", "-", "|", "\\sin", "\\sqrt{", "\\frac{", "2^{", "\\lfloor", "x_{"}) {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += part;
    EXPECT_TRUE(std::isnan(value(text))) << part;
  }
  EXPECT_TRUE(std::isnan(value("9^{9^{9^{9}}}")));
}

}  // namespace
}  // namespace demix
