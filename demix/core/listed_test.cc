#include "demix/core/listed.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

TEST(Listed, LongListsAreCutOffWithTheNumberOfTheRest) {
  EXPECT_EQ(listed({"a", "b"}), "a, b");
  EXPECT_EQ(listed(std::vector<std::string>(20, "x")), "x, x, x, x, x, x, x, x and 12 more");
}

TEST(Printable, ControlCharactersAndInvalidUtf8AreShownAndLongTextsCutOff) {
  EXPECT_EQ(printable("a ü 😀"), "a ü 😀");
  EXPECT_EQ(printable("\x1b[2J\n\x7f"), "\\x1b[2J\\x0a\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\x9b");
  EXPECT_EQ(printable("\xff\xc3"), "\uFFFD\uFFFD");
  EXPECT_EQ(printable("abcdef", 3), "abc…");
  EXPECT_EQ(printable("üü", 2), "ü…");
}

}  // namespace
}  // namespace demix
