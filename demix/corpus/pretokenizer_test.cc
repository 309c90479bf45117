#include "demix/corpus/pretokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "demix/core/files.h"
#include "demix/corpus/test_files.h"
#include "demix/corpus/tokenizer_file.h"

namespace demix {
namespace {

using Json = nlohmann::json;

class PreTokenizers : public FolderTest {
 protected:
  // As a tokenizer.json describes it.
  PreTokenizer read(const Json& pre_tokenizer) {
    const Json file = {
        {"pre_tokenizer", pre_tokenizer},
        {"model", {{"type", "BPE"}, {"vocab", {{"a", 0}}}, {"merges", Json::array()}}}};
    return PreTokenizer(read_tokenizer_file(write("tokenizer.json", file.dump())).pre_tokenizer);
  }
};

// The words of `text` in byte symbols, with spaces between.
std::string words_of(const PreTokenizer& pre_tokenizer, const std::string& text) {
  std::string joined;
  pre_tokenizer.split(text, [&joined](std::string_view word) {
    if (!joined.empty()) joined += ' ';
    joined += symbols_of_bytes(word);
  });
  return joined;
}

TEST_F(PreTokenizers, WordsAreThoseOfTheLibrary) {
  const Json expected = Json::parse(read_file(DEMIX_SOURCE_DIR "/tests/data/tokenizer/words.json"));
  const auto texts = expected["texts"].get<std::vector<std::string>>();
  ASSERT_GT(texts.size(), 30u);
  ASSERT_GT(expected["shapes"].size(), 20u);
  for (const Json& shape : expected["shapes"]) {
    const PreTokenizer pre_tokenizer = read(shape["pre_tokenizer"]);
    ASSERT_EQ(shape["words"].size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(words_of(pre_tokenizer, texts[i]), shape["words"][i].get<std::string>())
          << shape["name"] << ": " << texts[i];
    }
  }
}

// The patterns that have scanners of their own, read by the general matcher.
TEST_F(PreTokenizers, ScannersAndRegexesAgree) {
  const Json expected = Json::parse(read_file(DEMIX_SOURCE_DIR "/tests/data/tokenizer/words.json"));
  const std::pair<Scanner, std::string_view> patterns[] = {{Scanner::kGpt2, kGpt2Pattern},
                                                           {Scanner::kLlama3, kLlama3Pattern},
                                                           {Scanner::kQwen2, kQwen2Pattern}};
  for (const auto& [scanner, pattern] : patterns) {
    const PreTokenizer scanning({scanner});
    const PreTokenizer matching({Split{Regex(pattern)}});
    for (const auto& text : expected["texts"]) {
      EXPECT_EQ(words_of(scanning, text), words_of(matching, text)) << pattern << text;
    }
  }
}

TEST_F(PreTokenizers, SymbolsStandForBytes) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(bytes_of_symbols(symbols_of_bytes(all)), all);
  EXPECT_EQ(symbol_of_byte(' '), "\xC4\xA0");   // Ġ
  EXPECT_EQ(symbol_of_byte('\n'), "\xC4\x8A");  // Ċ
  EXPECT_EQ(symbol_of_byte(0xAD), "\xC5\x83");  // Ń, the last of them
  EXPECT_EQ(bytes_of_symbols("a b"), std::nullopt);
  EXPECT_EQ(bytes_of_symbols("\xE4\xB8\xAD"), std::nullopt);
  EXPECT_EQ(bytes_of_symbols("\xC5\x84"), std::nullopt);
}

}  // namespace
}  // namespace demix
