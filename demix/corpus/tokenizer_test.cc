#include "demix/corpus/tokenizer.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/corpus/test_files.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;

class Tokenizers : public FolderTest {
 protected:
  Tokenizers()
      : expected_(Json::parse(read_file(DEMIX_SOURCE_DIR "/tests/data/tokenizer/tokenizers.json"))),
        texts_(expected_["texts"].get<std::vector<std::string>>()) {}

  // The fixture's file with members of it or of its model replaced, or taken away by null.
  Tokenizer with(const Json& changes, const Json& config = nullptr) {
    Json file = expected_["file"];
    for (const auto& [key, value] : changes.items()) {
      Json& place = file.contains(key) ? file : file["model"];
      if (value.is_null()) {
        place.erase(key);
      } else {
        place[key] = value;
      }
    }
    write("tokenizer.json", file.dump());
    if (!config.is_null()) write("tokenizer_config.json", config.dump());
    return Tokenizer::load(folder_);
  }

  const Json expected_;
  const std::vector<std::string> texts_;
};

TEST_F(Tokenizers, IdsAndDecodedTextAreThoseOfTheLibrary) {
  ASSERT_GT(texts_.size(), 40u);
  ASSERT_GT(expected_["tokenizers"].size(), 25u);
  for (const Json& entry : expected_["tokenizers"]) {
    const auto name = entry["name"].get<std::string>();
    const Tokenizer tokenizer = with(entry["changes"]);
    const Json& special = entry.contains("special_ids") ? entry["special_ids"] : entry["ids"];
    ASSERT_EQ(entry["ids"].size(), texts_.size());
    for (size_t i = 0; i < texts_.size(); ++i) {
      EXPECT_EQ(tokenizer.encode(texts_[i]), entry["ids"][i].get<Ids>())
          << name << ": " << texts_[i];
      const Ids around = tokenizer.encode(texts_[i], true);
      EXPECT_EQ(around, special[i].get<Ids>()) << name << ": " << texts_[i];
      EXPECT_EQ(tokenizer.decode(around), entry["decoded"].value(std::to_string(i), texts_[i]))
          << name;
    }
  }
}

TEST_F(Tokenizers, EachBadPartOfInvalidTextIsOneReplacement) {
  const Tokenizer tokenizer = with(Json::object());
  const std::string replacement = "\xEF\xBF\xBD";
  // As Python's bytes.decode("utf-8", errors="replace") does.
  const std::map<std::string, int> bad = {
      {"\x80", 1},
      {"\xC3", 1},
      {"\xC0\xAF", 2},
      {"\xE4\xB8", 1},
      {"\xE4\xB8\xE4\xB8\xAD", 1},
      {"\xED\xA0\x80", 3},
      {"\xF0\x9F\x98", 1},
      {"\xF4\x90\x80\x80", 4},
      {"\xF5\x80\x80\x80", 4},
      {"\xF0\x80\x80", 3},
      {"\xFF\xFE", 2},
  };
  for (const auto& [bytes, count] : bad) {
    std::string clean = "a";
    for (int i = 0; i < count; ++i) clean += replacement;
    if (bytes.size() == 5) clean += "\xE4\xB8\xAD";
    EXPECT_EQ(tokenizer.encode("a" + bytes + "b"), tokenizer.encode(clean + "b"));
  }
}

TEST_F(Tokenizers, DecodingSkipsIdsOfNoToken) {
  const Tokenizer tokenizer = with(Json::object());
  const Ids a = tokenizer.encode("a");
  EXPECT_EQ(tokenizer.decode(Ids{-1, a[0], 1 << 20, a[0], tokenizer.vocabulary_size()}), "aa");
  EXPECT_EQ(tokenizer.decode({}), "");
}

TEST(TokenizerFolder, WithoutATokenizerIsRefused) {
  const TemporaryFolder folder;
  folder.write("config.json", "{}");
  try {
    Tokenizer::load(folder.path());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              (folder / "tokenizer.json").string() +
                  ": no such file; the folder of a model holds its tokenizer too, copy it there");
  }
}

TEST_F(Tokenizers, EndOfTextIsNamedByTheConfiguration) {
  const Json added = {{{"id", 500},
                       {"content", "<|end|>"},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}}};
  EXPECT_EQ(with({{"added_tokens", added}}).eos(), std::nullopt);
  EXPECT_EQ(with({{"added_tokens", added}}, {{"eos_token", "<|end|>"}}).eos(), 500);
  EXPECT_EQ(with({{"added_tokens", added}}, {{"eos_token", {{"content", "<|end|>"}}}}).eos(), 500);
  EXPECT_EQ(with({{"added_tokens", added}}, {{"eos_token", nullptr}}).eos(), std::nullopt);
  EXPECT_EQ(with({{"added_tokens", added}}).id_of("<|end|>"), 500);
  EXPECT_EQ(with({{"added_tokens", added}}).vocabulary_size(), 501);
  EXPECT_MENTIONS(error_of([&] { with({{"added_tokens", added}}, {{"eos_token", "<|stop|>"}}); }),
                  "eos_token '<|stop|>' is not in the vocabulary");
}

TEST_F(Tokenizers, TheFingerprintTellsWhatDeterminesIds) {
  const std::string plain = with(Json::object()).fingerprint();
  EXPECT_EQ(with(Json::object()).fingerprint(), plain);
  std::map<std::string, std::string> seen = {{plain, "plain"}};
  for (const Json& entry : expected_["tokenizers"]) {
    const auto name = entry["name"].get<std::string>();
    // Other spellings of the same tokenizer.
    if (name == "byte level with GPT-2's pattern" || name == "merges as lines" ||
        name == "no type" || name == "empty sequence of normalizers" ||
        name == "NFC in a sequence" || name == "byte fallback and unknown token without effect" ||
        name == "byte level afterwards") {
      continue;
    }
    const auto [other, is_new] = seen.emplace(with(entry["changes"]).fingerprint(), name);
    EXPECT_TRUE(is_new) << name << " and " << other->second;
  }
  EXPECT_EQ(with({{"merges", expected_["tokenizers"][1]["changes"]["merges"]}}).fingerprint(),
            plain);
}

TEST_F(Tokenizers, TwoTokenizersInOneThreadKeepTheirWordsApart) {
  const Tokenizer first = with(Json::object());
  const Tokenizer second = with({{"merges", Json::array()}});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(first.encode("abab"), Ids{first.id_of("abab").value()});
    EXPECT_EQ(second.encode("abab").size(), 4u);
  }
}

TEST_F(Tokenizers, ThreadsGetTheSameIds) {
  const Tokenizer tokenizer = with({{"normalizer", {{"type", "NFC"}}}});
  std::vector<Ids> alone;
  for (const std::string& text : texts_) alone.push_back(tokenizer.encode(text));
  std::vector<std::thread> threads;
  std::vector<std::vector<Ids>> results(3);
  for (auto& result : results) {
    threads.emplace_back([&] {
      for (const std::string& text : texts_) result.push_back(tokenizer.encode(text));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, alone);
}

}  // namespace
}  // namespace demix
