#include "demix/evaluate/end_tokens.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

TEST(EndTokens, AreThoseOfBothFiles) {
  const TemporaryFolder folder;
  EXPECT_TRUE(end_tokens(folder.path()).empty());
  write_file(folder / "config.json", R"({"eos_token_id": 2})", false);
  write_file(folder / "generation_config.json", R"({"eos_token_id": [7, 9]})", false);
  EXPECT_EQ(end_tokens(folder.path()), (std::vector<int32_t>{2, 7, 9}));
  write_file(folder / "generation_config.json", R"({"eos_token_id": null})", false);
  EXPECT_EQ(end_tokens(folder.path()), (std::vector<int32_t>{2}));
}

TEST(EndTokens, WhatIsNoTokenIsRefusedWithItsFile) {
  const TemporaryFolder folder;
  const auto message = [&](const char* text) -> std::string {
    write_file(folder / "generation_config.json", text, false);
    try {
      end_tokens(folder.path());
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const std::string path = (folder / "generation_config.json").string();
  EXPECT_EQ(
      message(R"({"eos_token_id": [1, "</s>"]})"),
      path + ": eos_token_id: expected a token's number or a list of them, found [1,\"</s>\"]");
  EXPECT_NE(message(R"({"eos_token_id": -1})").find("expected a token's number"),
            std::string::npos);
  EXPECT_EQ(message("{"), path + ": expected a JSON map");
}

}  // namespace
}  // namespace demix
