#include "demix/evaluate/text.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

TEST(Text, CharactersAreCodePointsAndBadBytesCountOne) {
  EXPECT_EQ(count_characters("naïve 語"), 7);
  EXPECT_EQ(count_characters("a\xff\xfe"), 3);
  EXPECT_EQ(count_characters(""), 0);
}

TEST(Text, StripTakesUnicodeBlanksAsPythonDoes) {
  EXPECT_EQ(strip(" \t\n a b \u00a0\u3000\u2028"), "a b");
  EXPECT_EQ(strip_right(" a \u2003\r\n"), " a");
  EXPECT_EQ(strip_left("\u2003\n a "), "a ");
  EXPECT_EQ(strip("\u200b"), "\u200b");  // zero-width space: not blank in Python
  EXPECT_EQ(strip(" \x1f "), "");
}

TEST(Text, CapitalizeLowersWhatFollows) {
  EXPECT_EQ(capitalize("hE SAID Ä"), "He said ä");
  EXPECT_EQ(capitalize("élan"), "Élan");
  EXPECT_EQ(capitalize(""), "");
}

TEST(Text, ReplaceAllDoesNotReadItsOwnOutput) {
  EXPECT_EQ(replace_all("a    b", "  ", " "), "a  b");
  EXPECT_EQ(replace_all("aaa", "aa", "a"), "aa");
}

}  // namespace
}  // namespace demix
