#include "demix/evaluate/math_equal.h"

#include <gtest/gtest.h>

#include "demix/evaluate/math_parts.h"

namespace demix {
namespace {

using Parts = std::vector<std::string_view>;

TEST(MathParts, SplittingRespectsBrackets) {
  EXPECT_EQ(split_outside_brackets("1,(2,3],\\{4,5\\}", ","), (Parts{"1", "(2,3]", "\\{4,5\\}"}));
  EXPECT_EQ(split_outside_brackets("12", ","), Parts{"12"});
  EXPECT_EQ(split_outside_brackets(",", ","), (Parts{"", ""}));
  EXPECT_EQ(split_outside_brackets("a)b,c", ","), Parts{"a)b,c"});
}

TEST(MathParts, BracketsEncloseTheWholeTextOrNothing) {
  EXPECT_EQ(as_bracketed("[2,5)")->inside, "2,5");
  EXPECT_EQ(as_bracketed("\\{1\\}")->close, "\\}");
  EXPECT_EQ(as_bracketed("((1),2)")->inside, "(1),2");
  for (const char* text : {"(1)+(2)", "(1", "1)", "", "(", "(1)2", "\\{"})
    EXPECT_FALSE(as_bracketed(text)) << text;
}

TEST(MathParts, MatricesHaveRowsAndCells) {
  const auto matrix = as_matrix("\\begin{bmatrix}1&2\\\\3&4\\\\\\end{bmatrix}");
  ASSERT_TRUE(matrix);
  EXPECT_EQ(matrix->name, "pmatrix");
  EXPECT_EQ(matrix->rows, (std::vector<Parts>{{"1", "2"}, {"3", "4"}}));
  EXPECT_FALSE(as_matrix("\\begin{pmatrix}1"));
  EXPECT_FALSE(as_matrix("\\begin{pmatrix}1\\end{bmatrix}"));
  EXPECT_FALSE(as_matrix("\\begin{cases}1\\end{cases}"));
}

TEST(MathEqual, ExactMatchIsOfTextOrValue) {
  EXPECT_TRUE(math_exact_match("\\frac{1}{2}", "0.5"));
  EXPECT_TRUE(math_exact_match("\\sqrt{12}", "2\\sqrt{3}"));
  EXPECT_TRUE(math_exact_match("(x+1)^2", "x^2+2x+1"));
  EXPECT_TRUE(math_exact_match("[2,5)", "[2,5)"));
  EXPECT_FALSE(math_exact_match("", ""));
  EXPECT_FALSE(math_exact_match("0.333", "\\frac{1}{3}"));
  EXPECT_FALSE(math_exact_match("\\sqrt{x^2}", "x"));
  EXPECT_FALSE(math_exact_match("(1,\\frac{1}{2})", "(1,0.5)"));  // as in the harness
}

TEST(MathEqual, EquivalentLooksIntoTheParts) {
  EXPECT_TRUE(math_equivalent("(1,\\frac{1}{2})", "(1,0.5)"));
  EXPECT_TRUE(math_equivalent("\\left[2,\\frac{10}{2}\\right)", "[2,5)"));
  EXPECT_TRUE(math_equivalent("(3,4]\\cup(-\\infty,2)", "(-\\infty,2)\\cup(3,4]"));
  EXPECT_TRUE(math_equivalent("\\{3,1\\}", "\\{1,3\\}"));
  EXPECT_TRUE(math_equivalent("1-\\sqrt{2},1+\\sqrt{2}", "1\\pm\\sqrt{2}"));
  EXPECT_TRUE(math_equivalent("5\\ge x>2", "2<x\\le5"));
  EXPECT_TRUE(math_equivalent("\\begin{bmatrix}.5\\\\2\\end{bmatrix}",
                              "\\begin{pmatrix}\\frac{1}{2}\\\\2\\end{pmatrix}"));
  EXPECT_TRUE(math_equivalent("7\\frac{3}{4}", "7.75"));
  EXPECT_TRUE(math_equivalent("25\\%", "25"));
  EXPECT_TRUE(math_equivalent("5liters", "5"));
}

TEST(MathEqual, DifferentThingsAreNotEquivalent) {
  EXPECT_FALSE(math_equivalent("[2,5]", "[2,5)"));
  EXPECT_FALSE(math_equivalent("(2,1)", "(1,2)"));
  EXPECT_FALSE(math_equivalent("\\{1,1\\}", "\\{1,3\\}"));
  EXPECT_FALSE(math_equivalent("1,2", "1,2,2"));
  EXPECT_FALSE(math_equivalent("2<x<5", "2<x\\le5"));
  EXPECT_FALSE(math_equivalent("x>2", "x<2"));
  EXPECT_FALSE(math_equivalent("3,4", "3"));
  EXPECT_FALSE(
      math_equivalent("\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"));
  EXPECT_FALSE(math_equivalent("2x", "2"));
  EXPECT_FALSE(math_equivalent("", ""));
  EXPECT_FALSE(math_equivalent("west", "east"));
}

TEST(MathEqual, HostileTextIsUnequalInLittleTimeAndStack) {
  for (const char* part :
       {"(", "\\{", "{(", "1,", "(1,", "\\pm", "\\cup", "<", "&", "\\begin{matrix}"}) {
    std::string text;
    while (text.size() < 900) text += part;
    EXPECT_FALSE(math_equivalent(text, text + "1")) << part;
  }
  std::string nested = "x";
  for (int i = 0; i < 200; ++i) nested = "\\{" + nested;
  for (int i = 0; i < 200; ++i) nested += "\\}";
  EXPECT_FALSE(math_equivalent(nested, nested + " ,1"));
}

}  // namespace
}  // namespace demix
