#include "demix/corpus/tokenizer_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "demix/core/files.h"
#include "demix/corpus/byte_alphabet.h"
#include "demix/corpus/test_files.h"
#include "demix/corpus/tokenizer.h"

namespace demix {
namespace {

using Json = nlohmann::json;

// Every byte's symbol is a token, "ab" and "abc" besides.
Json sound_file() {
  Json file = Json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 258, "content": "<|end|>", "single_word": false, "lstrip": false,
                      "rstrip": false, "normalized": false, "special": true}],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": {"type": "TemplateProcessing",
                       "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<|end|>"}}],
                       "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [258]}}},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "dropout": null, "unk_token": null,
              "vocab": {"ab": 256, "abc": 257}, "merges": [["a", "b"], ["ab", "c"]]}
  })");
  for (int byte = 0; byte < 256; ++byte) {
    file["model"]["vocab"][symbol_of_byte(static_cast<unsigned char>(byte))] = byte;
  }
  return file;
}

class TokenizerFiles : public FolderTest {
 protected:
  // The refusal of the file with `value` put at `pointer`; empty if it is taken.
  std::string refusal(const std::string& pointer, const std::string& value) {
    Json file = file_;
    file[Json::json_pointer(pointer)] = Json::parse(value);
    return refusal(file);
  }
  std::string refusal_without(const std::string& parent, const std::string& key) {
    Json file = file_;
    file[Json::json_pointer(parent)].erase(key);
    return refusal(file);
  }
  std::string refusal(const Json& file) { return refusal_of_text(file.dump()); }
  std::string refusal_of_text(const std::string& text) {
    const auto path = write("tokenizer.json", text);
    const std::string error = error_of([&] { Tokenizer::load(path); });
    if (!error.empty()) {
      EXPECT_TRUE(error.starts_with(path.string())) << error;
    }
    return error;
  }

  Json file_ = sound_file();
};

TEST_F(TokenizerFiles, WhatIsSupportedIsTaken) {
  EXPECT_EQ(refusal(file_), "");
  const std::vector<std::pair<std::string, std::string>> taken = {
      {"/normalizer", "null"},
      {"/decoder", "null"},
      {"/post_processor", "null"},
      {"/model/dropout", "0.0"},
      {"/model/byte_fallback", "true"},
      {"/model/unk_token", R"("<nowhere>")"},
      {"/model/continuing_subword_prefix", R"("")"},
      {"/model/merges", "[]"},
      {"/model/merges", R"(["#version: 0.2", "a b", "ab c"])"},
      {"/added_tokens/0/content", R"("x y")"},
      {"/pre_tokenizer",
       R"({"type": "Sequence", "pretokenizers": [{"type": "Sequence", "pretokenizers": [
           {"type": "ByteLevel", "add_prefix_space": true}]}]})"},
  };
  for (const auto& [pointer, value] : taken) EXPECT_EQ(refusal(pointer, value), "") << pointer;
  file_["added_tokens"] = nullptr;
  EXPECT_EQ(refusal("/post_processor", "null"), "");
}

struct Refusal {
  std::string pointer, value, reason;
};

TEST_F(TokenizerFiles, OtherModelsAreRefusedByName) {
  const std::vector<Refusal> refusals = {
      {"/version", R"("2.0")", R"(version: "2.0", expected "1.0")"},
      {"/truncation", R"({"max_length": 9})", "truncation: not supported; set it to null"},
      {"/padding", R"({"pad_id": 0})", "padding: not supported; set it to null"},
      {"/model", "null", "model: missing, or not an object"},
      {"/model/type", R"("Unigram")", "model.type: 'Unigram' is not supported; expected BPE"},
      {"/model/type", R"("WordPiece")", "model.type: 'WordPiece' is not supported"},
      {"/model/type", R"("WordLevel")", "model.type: 'WordLevel' is not supported"},
      {"/model/type", "7", "model.type: missing, or not a string"},
      {"/model/dropout", "0.1", "model.dropout: 0.1 is not supported; set it to null"},
      {"/model/continuing_subword_prefix", R"("##")", R"(subword_prefix: "##" is not supported)"},
      {"/model/end_of_word_suffix", R"("</w>")", R"(word_suffix: "</w>" is not supported)"},
      {"/model/ignore_merges", R"("yes")", R"(ignore_merges: "yes", expected true or false)"},
      {"/model/fuse_unk", "1", "model.fuse_unk: 1, expected true or false"},
      {"/decoder", R"({"type": "Metaspace"})", "decoder: 'Metaspace' is not supported"},
  };
  for (const auto& [pointer, value, reason] : refusals) {
    EXPECT_MENTIONS(refusal(pointer, value), reason);
  }
}

TEST_F(TokenizerFiles, BadVocabulariesAndMergesAreRefusedByPlace) {
  const std::vector<Refusal> refusals = {
      {"/model/vocab", "[0, 1]", "model.vocab: missing, or not an object"},
      {"/model/vocab", R"({"a": 0})", "model.merges[0]: 'b' is not in model.vocab"},
      {"/model/vocab/a", R"("0")", R"(vocab['a']: id "0", expected a whole number from 0 to)"},
      {"/model/vocab/a", "1.5", "model.vocab['a']: id 1.5"},
      {"/model/vocab/a", "-1", "model.vocab['a']: id -1"},
      {"/model/vocab/a", "4194304", "model.vocab['a']: id 4194304"},
      {"/model/vocab/a", "18446744073709551615", "model.vocab['a']: id 18446744073709551615"},
      {"/model/vocab/a", "256", "both have id 256"},
      {"/model/merges", R"("a b")", "model.merges: missing, or not a list"},
      {"/model/merges", R"([["a", "c"]])", "model.merges[0]: 'ac' is not in model.vocab"},
      {"/model/merges", R"([["no", "c"]])", "model.merges[0]: 'no' is not in model.vocab"},
      {"/model/merges", R"(["a b", "ab  c"])", "merges[1]: 'ab  c', expected two tokens with one"},
      {"/model/merges", R"(["ab"])", "model.merges[0]: 'ab', expected two tokens"},
      {"/model/merges", R"([["a", "b", "c"]])", R"(merges[0]: ["a","b","c"], expected two)"},
      {"/model/merges", R"([["a", 1]])", R"(merges[0]: ["a",1], expected two tokens)"},
      {"/added_tokens", R"("none")", "added_tokens: missing, or not a list"},
      {"/added_tokens/0/id", "300", "'<|end|>' has id 300, but by the vocabulary it is 258"},
      {"/added_tokens/0/id", "null", "added_tokens[0]: id null, expected a whole number"},
      {"/added_tokens/0/lstrip", "null", "added_tokens[0].lstrip: missing"},
      {"/added_tokens/0/content", "5", "added_tokens[0].content: missing, or not a string"},
      {"/added_tokens/0/content", R"("abc")", "'abc' has id 258, but by the vocabulary it is 257"},
  };
  for (const auto& [pointer, value, reason] : refusals) {
    EXPECT_MENTIONS(refusal(pointer, value), reason);
  }
  EXPECT_MENTIONS(refusal_without("/model", "vocab"), "model.vocab: missing");
  EXPECT_MENTIONS(refusal_without("/model", "merges"), "model.merges: missing");
  EXPECT_MENTIONS(refusal_without("/added_tokens/0", "id"), "added_tokens[0].id: missing");

  // Numbered from the size of the vocabulary on, the second would take the place of "abc".
  file_["model"]["vocab"].erase("Q");
  file_["added_tokens"][0]["id"] = 257;
  EXPECT_MENTIONS(refusal(file_), "'abc' and '<|end|>' both have id 257");
}

TEST_F(TokenizerFiles, OtherStepsAreRefusedByName) {
  const std::vector<Refusal> normalizers = {
      {"", R"("NFC")", "normalizer.type: missing, or not a string"},
      {"", R"({"type": "NFKC"})", "normalizer: 'NFKC' is not supported; expected NFC or null"},
      {"", R"({"type": "Lowercase"})", "normalizer: 'Lowercase' is not supported"},
      {"", R"({"type": "Sequence"})", "normalizer.normalizers: missing, or not a list"},
      {"",
       R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Prepend"}]})",
       "normalizer.normalizers[1]: 'Prepend' is not supported"},
  };
  for (const auto& [pointer, value, reason] : normalizers) {
    EXPECT_MENTIONS(refusal("/normalizer" + pointer, value), reason);
  }
  const std::vector<std::pair<std::string, std::string>> steps = {
      {R"("Digits")", "pretokenizers[0].type: missing, or not a string"},
      {R"({"type": "Metaspace"})", "pretokenizers[0]: 'Metaspace' is not supported"},
      {R"({"type": "Whitespace"})", "pretokenizers[0]: 'Whitespace' is not supported"},
      {R"({"type": "BertPreTokenizer"})", "[0]: 'BertPreTokenizer' is not supported"},
      {R"({"type": "UnicodeScripts"})", "[0]: 'UnicodeScripts' is not supported"},
      {R"({"type": "ByteLevel"})", "pretokenizers[0].add_prefix_space: missing"},
      {R"({"type": "ByteLevel", "add_prefix_space": true})", "[1]: a second ByteLevel"},
      {R"({"type": "Digits"})", "pretokenizers[0].individual_digits: missing"},
      {R"({"type": "Punctuation", "behavior": 1})", "behavior: missing, or not a string"},
      {R"({"type": "Split", "behavior": "Isolated", "invert": false})",
       "pattern: expected a String"},
      {R"({"type": "Split", "behavior": "Isolated", "invert": false, "pattern": "a"})",
       "pattern: expected a String"},
      {R"({"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"String": ""}})",
       "pattern: expected a String, not empty, or a Regex"},
      {R"({"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex": "\\w"}})",
       R"(pattern: regular expression '\w', byte 0: '\w' is not supported)"},
      {R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "a"}})",
       "[0].invert: missing"},
      {R"({"type": "Split", "invert": false, "pattern": {"Regex": "a"}})", "[0].behavior: missing"},
      {R"({"type": "Split", "behavior": "Sideways", "invert": false, "pattern": {"Regex": "a"}})",
       "behavior: 'Sideways' is not supported"},
  };
  for (const auto& [step, reason] : steps) {
    const std::string list = "[" + step + R"(, {"type": "ByteLevel", "add_prefix_space": false}])";
    EXPECT_MENTIONS(
        refusal("/pre_tokenizer", R"({"type": "Sequence", "pretokenizers": )" + list + "}"),
        reason);
  }
  EXPECT_MENTIONS(refusal("/pre_tokenizer", "null"), "pre_tokenizer: has no ByteLevel");
  EXPECT_MENTIONS(refusal("/pre_tokenizer", R"({"type": "Sequence"})"), "pretokenizers: missing");
}

TEST_F(TokenizerFiles, OtherPostProcessorsAreRefusedByName) {
  const std::string one =
      R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]})";
  const std::vector<Refusal> refusals = {
      {"", R"({"type": "BertProcessing"})", "post_processor: 'BertProcessing' is not supported"},
      {"", R"({"type": "Sequence"})", "post_processor.processors: missing, or not a list"},
      {"",
       R"({"type": "Sequence", "processors": [)" + one + "," + one + "]}",
       "processors[1]: a second TemplateProcessing is not supported"},
      {"/single", "null", "post_processor.single: missing, or not a list"},
      {"/single", "[]", "post_processor.single: has no sequence A"},
      {"/single", R"(["$A"])", R"(single[0]: "$A", expected a Sequence or a SpecialToken)"},
      {"/single/0/Sequence/id", R"("B")", "single[0]: sequence 'B' is not supported here"},
      {"/single/1/SpecialToken/id", R"("<s>")", "'<s>' has no ids in special_tokens"},
      {"/special_tokens/<|end|>/ids", R"(["x"])", R"(post_processor.single[1]: id "x", expected)"},
      {"/special_tokens/<|end|>/ids", "[9999]", "stands for id 9999, which no token has"},
  };
  for (const auto& [pointer, value, reason] : refusals) {
    EXPECT_MENTIONS(refusal("/post_processor" + pointer, value), reason);
  }
}

TEST_F(TokenizerFiles, EverythingWrongIsListedAtOnce) {
  file_["truncation"] = {{"max_length", 512}};
  file_["normalizer"] = {{"type", "NFKC"}};
  file_["model"]["dropout"] = 0.5;
  const std::string error = refusal(file_);
  EXPECT_MENTIONS(error, "truncation");
  EXPECT_MENTIONS(error, "NFKC");
  EXPECT_MENTIONS(error, "dropout");
  for (int i = 0; i < 20; ++i) file_["model"]["merges"].push_back("x nowhere");
  EXPECT_MENTIONS(refusal(file_), "and 15 more");
}

TEST_F(TokenizerFiles, RefusalsAreShortAndFitForATerminal) {
  const std::string control = "\x1B[2J\x07";
  const std::string error =
      refusal("/pre_tokenizer", Json{{"type", control + std::string(100'000, 'x')}}.dump());
  EXPECT_MENTIONS(error, "\\x1b[2J\\x07xxx");
  EXPECT_LT(error.size(), 1500u);
  for (const char c : error) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
}

TEST_F(TokenizerFiles, MissingByteSymbolsMakeFallbackAndUnknownTokenMatter) {
  file_["model"]["vocab"].erase("Q");
  file_["model"]["vocab"]["<unk>"] = static_cast<int>('Q');
  EXPECT_EQ(refusal("/model/unk_token", R"("abc")"), "");
  EXPECT_MENTIONS(refusal("/model/unk_token", R"("<nowhere>")"),
                  "'<nowhere>' is not in model.vocab");
  EXPECT_MENTIONS(refusal("/model/byte_fallback", "true"), "byte_fallback: true is not supported");
}

TEST_F(TokenizerFiles, ATokenTwiceIsRefused) {
  std::string text = file_.dump();
  text.replace(text.find("\"abc\":257"), 9, "\"ab\":257");
  EXPECT_MENTIONS(refusal_of_text(text), "model.vocab: 'ab' stands there twice");
}

TEST_F(TokenizerFiles, WhatIsNotAJsonObjectIsRefused) {
  EXPECT_MENTIONS(refusal_of_text(""), "not valid JSON");
  EXPECT_MENTIONS(refusal_of_text("[]"), "not a JSON object");
  EXPECT_MENTIONS(refusal_of_text("{}"), "model: missing");
  EXPECT_MENTIONS(refusal_of_text("{\"version\": \"1.0\", \"version\""), "not valid JSON");
  EXPECT_MENTIONS(refusal_of_text(std::string(100'000, '[')), "not valid JSON");
  EXPECT_MENTIONS(refusal_of_text(R"({"model": "\ud800"})"), "not valid JSON");
  EXPECT_MENTIONS(refusal_of_text("{\"model\": \"\xFF\"}"), "not valid JSON");
  EXPECT_MENTIONS(error_of([&] { Tokenizer::load(folder_ / "none.json"); }), "no such file");
  EXPECT_MENTIONS(error_of([&] { Tokenizer::load(folder_ / "none"); }), "no such file");
  write("old/vocab.json", "{}");
  EXPECT_MENTIONS(error_of([&] { Tokenizer::load(folder_ / "old"); }), "save the tokenizer with");
}

TEST_F(TokenizerFiles, EveryTruncationIsRefused) {
  const std::string text = file_.dump();
  for (size_t size = 0; size < text.size(); size += 41) {
    EXPECT_MENTIONS(refusal_of_text(text.substr(0, size)), "not valid JSON");
  }
}

// Bytes changed, and members replaced. Whatever is taken must encode without harm; the sanitizers
// watch.
TEST_F(TokenizerFiles, DamagedFilesAreTakenOrRefused) {
  std::mt19937 random(0);
  const auto below = [&random](size_t n) { return random() % n; };
  const std::string text = file_.dump();
  const std::string bytes = "0123456789\"{}[],:-\\ etru";
  std::vector<std::string> damaged;
  for (int round = 0; round < 150; ++round) {
    std::string& copy = damaged.emplace_back(text);
    for (size_t i = 1 + below(3); i > 0; --i) {
      const size_t at = below(copy.size());
      switch (below(3)) {
        case 0:
          copy[at] = bytes[below(bytes.size())];
          break;
        case 1:
          copy.erase(at, 1 + below(8));
          break;
        default:
          copy.insert(at, copy.substr(below(copy.size()), below(12)));
      }
    }
  }
  const Json values = Json::parse(R"([null, true, false, -1, 0, 64, 257, 258, 4194303, 1e300, "",
      "ab", "a b", "NFC", "ByteLevel", [], {}, ["a", "b"], [["a", "b"]], {"type": "ByteLevel"}])");
  std::vector<std::string> members, tokens;  // where the leaves are
  const Json flat = file_.flatten();
  for (const auto& [pointer, value] : flat.items()) {
    (pointer.starts_with("/model/vocab") ? tokens : members).push_back(pointer);
  }
  for (int round = 0; round < 250; ++round) {
    const auto& from = below(4) == 0 ? tokens : members;
    Json::json_pointer place(from[below(from.size())]);
    if (below(4) == 0) place = place.parent_pointer();
    Json copy = file_;
    copy[place] = values[below(values.size())];
    damaged.push_back(copy.dump());
  }
  int taken = 0;
  for (const std::string& file : damaged) {
    if (!refusal_of_text(file).empty()) continue;
    ++taken;
    const Tokenizer tokenizer = Tokenizer::load(folder_ / "tokenizer.json");
    const auto ids = tokenizer.encode("abc ab e\xCC\x81 <|end|> \xFF", true);
    for (const int32_t id : ids) {
      EXPECT_GE(id, 0);
      EXPECT_LT(id, tokenizer.vocabulary_size());
    }
    tokenizer.decode(ids);
  }
  EXPECT_GT(taken, 15);
}

}  // namespace
}  // namespace demix
