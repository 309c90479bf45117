#include "demix/evaluate/latex_tokens.h"

#include <gtest/gtest.h>

#include <vector>

namespace demix {
namespace {

std::vector<std::string> tokens_of(std::string_view text) {
  LatexTokens tokens(text);
  std::vector<std::string> all;
  while (!tokens.peek().empty()) all.emplace_back(tokens.take());
  return all;
}

TEST(LatexTokens, AreCommandsOrSingleBytes) {
  using Tokens = std::vector<std::string>;
  EXPECT_EQ(tokens_of("\\frac12x"), (Tokens{"\\frac", "1", "2", "x"}));
  EXPECT_EQ(tokens_of("\\left\\{ 1 \\right\\}"), (Tokens{"\\{", "1", "\\}"}));
  EXPECT_EQ(tokens_of("a\\,b\\quad\nc"), (Tokens{"a", "b", "c"}));
  EXPECT_EQ(tokens_of("\\leftarrow\\quada"), (Tokens{"\\leftarrow", "\\quada"}));
  EXPECT_EQ(tokens_of("\\"), Tokens{"\\"});
  EXPECT_EQ(tokens_of(""), Tokens{});
}

TEST(LatexTokens, NumbersTakeTheirThousands) {
  const auto number = [](std::string_view text) { return LatexTokens(text).take_number(); };
  EXPECT_EQ(number("1,234,567.25x"), "1234567.25");
  EXPECT_EQ(number(".5"), ".5");
  EXPECT_EQ(number("1,23"), "1");
  EXPECT_EQ(number("1,2345"), "1");
  EXPECT_THROW(number("3."), UnreadableLatex);
  EXPECT_THROW(number("x"), UnreadableLatex);
  EXPECT_THROW(LatexTokens("").take(), UnreadableLatex);
}

}  // namespace
}  // namespace demix
