#include "demix/corpus/nfc.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "demix/core/files.h"

namespace demix {
namespace {

TEST(Nfc, FormsAreThoseOfTheLibrary) {
  const auto cases =
      nlohmann::json::parse(read_file(DEMIX_SOURCE_DIR "/tests/data/tokenizer/nfc.json"));
  ASSERT_GT(cases.size(), 70u);
  for (const auto& entry : cases) {
    const auto text = entry[0].get<std::string>();
    const auto expected = entry[1].get<std::string>();
    EXPECT_EQ(normalize_nfc(text), expected);
    EXPECT_EQ(normalize_nfc(expected), expected);
    if (is_surely_nfc(text)) {
      EXPECT_EQ(text, expected);
    }
  }
}

TEST(Nfc, AsciiIsSurelyNormalized) {
  EXPECT_TRUE(is_surely_nfc("plain text\n"));
  EXPECT_TRUE(is_surely_nfc("caf\xC3\xA9, \xE6\x97\xA5\xE6\x9C\xAC"));
  EXPECT_FALSE(is_surely_nfc("e\xCC\x81"));
}

// A quadratic sort would need minutes here.
TEST(Nfc, ManyMarksTakeLittleTime) {
  std::string marks = "a";
  constexpr int kMarks = 200'000;
  for (int i = 0; i < kMarks; ++i) marks += i % 2 == 0 ? "\xCC\x81" : "\xCC\xA3";
  const std::string result = normalize_nfc(marks);
  // ạ, then the other marks below, then those above.
  EXPECT_TRUE(result.starts_with("\xE1\xBA\xA1\xCC\xA3"));
  EXPECT_TRUE(result.ends_with("\xCC\x81\xCC\x81"));
}

}  // namespace
}  // namespace demix
