#include "demix/core/error.h"

#include <gtest/gtest.h>

#include <vector>

namespace demix {
namespace {

TEST(Suggestion, IsTheNearestWordOrAllOfThem) {
  const std::vector<std::string> known = {"ties", "della"};
  EXPECT_EQ(suggestion("tie", known), "did you mean 'ties'?");
  EXPECT_EQ(suggestion("average", known), "there are ties, della");
  EXPECT_EQ(suggestion("average", known, "expected one of"), "expected one of ties, della");
}

}  // namespace
}  // namespace demix
