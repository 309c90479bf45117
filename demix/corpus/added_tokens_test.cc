#include "demix/corpus/added_tokens.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace demix {
namespace {

// The pieces of `text`, each token as [text].
std::string split(const std::vector<AddedToken>& tokens, const std::string& text) {
  std::vector<AddedTokenFinder::Piece> pieces;
  AddedTokenFinder(tokens).split(text, pieces);
  std::string marked;
  for (const auto& [piece, id] : pieces) {
    EXPECT_FALSE(piece.empty());
    marked += id >= 0 ? "[" + std::string(piece) + "]" : std::string(piece);
  }
  return marked;
}

TEST(AddedTokens, TheLeftmostAndOfTheseTheLongestIsFound) {
  const std::vector<AddedToken> tokens = {{"<a>", 1}, {"<a>b", 2}, {"b<", 3}};
  EXPECT_EQ(split(tokens, "x<a>bb<a>"), "x[<a>b][b<]a>");
  EXPECT_EQ(split(tokens, "<a><a"), "[<a>]<a");
  EXPECT_EQ(split(tokens, "plain"), "plain");
  EXPECT_EQ(split(tokens, ""), "");
  EXPECT_EQ(split({}, "plain"), "plain");
}

TEST(AddedTokens, StrippingTakesWhiteSpaceOfEveryKind) {
  const AddedToken left = {.content = "<l>", .id = 1, .lstrip = true};
  const AddedToken right = {.content = "<r>", .id = 2, .rstrip = true};
  EXPECT_EQ(split({left, right}, "a \t<l> b<r>\xC2\xA0\n c"), "a[ \t<l>] b[<r>\xC2\xA0\n ]c");
  EXPECT_EQ(split({left, right}, "  <l>"), "[  <l>]");
  EXPECT_EQ(split({left, right}, "<r>  <l>"), "[<r>  ][<l>]");
  EXPECT_EQ(split({left, right}, "a\xE2\x80\x8B<l>"), "a\xE2\x80\x8B[<l>]");  // not a space
}

TEST(AddedTokens, SingleWordsStandAlone) {
  const std::vector<AddedToken> tokens = {{.content = "it", .id = 1, .single_word = true}};
  EXPECT_EQ(split(tokens, "it, it's bit it_ \xC3\xA9it it"),
            "[it], [it]'s bit it_ \xC3\xA9it [it]");
}

}  // namespace
}  // namespace demix
