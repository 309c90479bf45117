#include "demix/core/error.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

namespace demix {
namespace {

TEST(ErrorChain, EndsBeforeAStackTrace) {
  EXPECT_EQ(error_chain(std::runtime_error("no memory\nframe #0: f() + 0x6a\nframe #1: g()")),
            "no memory");
  EXPECT_EQ(error_chain(std::runtime_error("bad shape\nException raised from f at a.cpp:1")),
            "bad shape");
}

TEST(ErrorChain, NamesFilesAsOtherErrorsDo) {
  EXPECT_EQ(error_chain(std::filesystem::filesystem_error(
                "status", "/a", std::make_error_code(std::errc::permission_denied))),
            "/a: Permission denied");
}

TEST(Suggestion, IsTheNearestWordOrAllOfThem) {
  const std::vector<std::string> known = {"ties", "della"};
  EXPECT_EQ(suggestion("tie", known), "did you mean 'ties'?");
  EXPECT_EQ(suggestion("average", known), "there are ties, della");
  EXPECT_EQ(suggestion("average", known, "expected one of"), "expected one of ties, della");
}

}  // namespace
}  // namespace demix
