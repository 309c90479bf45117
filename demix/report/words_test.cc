#include "demix/report/words.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

TEST(Words, ListsEndWithAndAndLongOnesWithACount) {
  EXPECT_EQ(in_prose({}), "");
  EXPECT_EQ(in_prose({"a"}), "a");
  EXPECT_EQ(in_prose({"a", "b"}), "a and b");
  EXPECT_EQ(in_prose({"a", "b", "c"}, 2), "a, b and c") << "one more is named as well";
  EXPECT_EQ(in_prose({"a", "b", "c", "d"}, 2), "a, b and 2 more");
}

}  // namespace
}  // namespace demix
