#include "demix/evaluate/math_answer.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

TEST(MathAnswer, StandsBetweenThePhrases) {
  EXPECT_EQ(
      generated_math_answer("So.\nFinal Answer: The final answer is $5$. I hope it is correct."),
      "$5$");
  EXPECT_EQ(generated_math_answer("Final Answer: The final answer is 5. "), "5");
  EXPECT_EQ(generated_math_answer("Final Answer: The final answer is 5."), "[invalidanswer]");
  EXPECT_EQ(generated_math_answer("Final Answer: The final answer is 5é I hope it is correct!"),
            "5");
  EXPECT_EQ(generated_math_answer("Final Answer: The final answer is 5\n. I hope it is correct."),
            "[invalidanswer]");
  EXPECT_EQ(generated_math_answer(""), "[invalidanswer]");
}

TEST(MathAnswer, TheLastBoxIsTheGoldAnswer) {
  EXPECT_EQ(boxed_math_answer("$\\boxed{1}$, no, $\\boxed{\\frac{1}{2}}$."), "\\frac{1}{2}");
  EXPECT_EQ(boxed_math_answer("so $x = \\boxed 5$ or $\\boxed{7}$"), "5");
  EXPECT_EQ(boxed_math_answer("\\boxed{1"), std::nullopt);
  EXPECT_EQ(boxed_math_answer("none"), std::nullopt);
}

TEST(MathAnswer, NormalisingDropsUnitsWordsAndSpellings) {
  EXPECT_EQ(normalized_math_answer("$\\frac12\\text{ cm}$"), "\\frac{1}{2}");
  EXPECT_EQ(normalized_math_answer("x = 1,\\!234"), "1234");
  EXPECT_EQ(normalized_math_answer("12,345 dollars"), "12345");
  EXPECT_EQ(normalized_math_answer("(0, 1)"), "(0,1)");
  EXPECT_EQ(normalized_math_answer("0,1"), "0,1");
  EXPECT_EQ(normalized_math_answer("90^\\circ"), "90");
  EXPECT_EQ(normalized_math_answer("\\text{east}"), "east");
  EXPECT_EQ(normalized_math_answer("\\sqrt2+\\sqrt[3]5"), "\\sqrt{2}+\\sqrt[3]{5}");
  EXPECT_EQ(normalized_math_answer("\\left(2,3\\right)"), "\\left(2,3\\right)");  // keeps its "ft"
  EXPECT_EQ(normalized_math_answer("the answer is $3$ or so"), "3");
  EXPECT_EQ(normalized_math_answer("2,3\\text{ and }4"), "2,3,4");
  EXPECT_EQ(normalized_math_answer("\\boxed{7}"), "7");
  EXPECT_EQ(normalized_math_answer("frac"), "frac");
  EXPECT_EQ(normalized_math_answer(""), "");
}

}  // namespace
}  // namespace demix
