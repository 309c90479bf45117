#include "demix/model/safetensors_header.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

// What the parser says of `text` before `data_bytes` of data; empty when it accepts them.
std::string refusal(std::string_view text, uint64_t data_bytes = 0) {
  try {
    parse_safetensors_header(text, data_bytes, "f");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

void expect_refused(std::string_view text, uint64_t data_bytes, std::string_view reason) {
  const std::string message = refusal(text, data_bytes);
  EXPECT_TRUE(message.starts_with("f: ")) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << text << "\n" << message;
}

std::string entry(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return fmt::format(R"({{"dtype":"{}","shape":{},"data_offsets":{}}})", dtype, shape, offsets);
}

std::string one(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return fmt::format(R"({{"a":{}}})", entry(dtype, shape, offsets));
}

TEST(SafetensorsHeader, TensorsComeInFileOrderWithTheirMetadata) {
  const SafetensorsHeader header = parse_safetensors_header(
      fmt::format(R"({{"__metadata__":{{"format":"pt"}},"b":{},"a":{},"empty":{},"bit":{}}}   )",
                  entry("F32", "[2, 3]", "[2,26]"),
                  entry("BF16", "[]", "[0,2]"),
                  entry("F16", "[0, 5]", "[26,26]"),
                  entry("F4", "[3, 2]", "[26,29]")),
      29,
      "f");
  ASSERT_EQ(header.tensors.size(), 4u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[0].size_bytes, 2u);
  EXPECT_EQ(header.tensors[1].name, "b");
  EXPECT_EQ(header.tensors[1].begin, 2u);
  EXPECT_EQ(header.tensors[1].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.tensors[2].name, "empty");
  EXPECT_EQ(header.tensors[2].size_bytes, 0u);
  EXPECT_EQ(header.tensors[3].name, "bit");
  EXPECT_EQ(header.metadata.at("format"), "pt");
}

TEST(SafetensorsHeader, WhatIsWrittenIsRead) {
  SafetensorsHeader header;
  header.metadata = {{"format", "pt"}, {"\"key\"\n", "ü"}};
  header.tensors = {{"x.\"y\"\\", "F32", {2}, 0, 8}, {"z", "I8", {}, 8, 1}, {"e", "U8", {0}, 9, 0}};
  const std::string text = safetensors_header_text(header);
  EXPECT_EQ(text.size() % 8, 0u);
  const std::string_view body = std::string_view(text).substr(kHeaderLengthBytes);
  EXPECT_EQ(static_cast<unsigned char>(text[0]), body.size());
  const SafetensorsHeader read = parse_safetensors_header(body, 9, "f");
  ASSERT_EQ(read.tensors.size(), 3u);
  EXPECT_EQ(read.tensors[0].name, header.tensors[0].name);
  EXPECT_EQ(read.metadata, header.metadata);
}

TEST(SafetensorsHeader, WhatIsNoHeaderIsRefused) {
  expect_refused("", 0, "should begin with '{'");
  expect_refused("[1]", 0, "should begin with '{'");
  expect_refused(" {}", 0, "should begin with '{'");
  expect_refused("{", 0, "not valid JSON");
  expect_refused("{}x", 0, "not valid JSON");
  expect_refused(std::string("{}\0", 3), 0, "not valid JSON");
  expect_refused("{\"a\xff\":{}}", 0, "not valid JSON");
  expect_refused(R"({"a":1})", 0, "tensor 'a': expected a map, found 1");
  expect_refused(R"({"a":[]})", 0, "tensor 'a': expected a map");
  expect_refused(R"({"a":"x"})", 0, "expected a map, found 'x'");
  expect_refused("{}", 5, "tensors cover 0");
  EXPECT_EQ(refusal("{}"), "");
}

TEST(SafetensorsHeader, DeepAndLongValuesAreRefusedAtOnce) {
  expect_refused("{\"a\":" + std::string(10'000'000, '['), 0, "expected a map");
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  expect_refused(objects, 0, "unknown field 'a'");
  expect_refused(R"({"a":{"shape":[)" + std::string(1000, '['), 0, "whole numbers");
  std::string sizes = "1";
  for (int i = 0; i < 64; ++i) sizes += ",1";
  expect_refused(one("U8", "[" + sizes + "]", "[0,1]"), 1, "more than 64 sizes");
  const std::string message = refusal("{\"" + std::string(1'000'000, 'n') + "\":1}");
  EXPECT_LT(message.size(), 300u);
}

TEST(SafetensorsHeader, KeysThatOccurTwiceAreRefused) {
  const std::string a = entry("U8", "[1]", "[0,1]");
  expect_refused(fmt::format(R"({{"a":{0},"a":{0}}})", a), 1, "'a' occurs twice");
  expect_refused(fmt::format(R"({{"a":{0},"\u0061":{0}}})", a), 1, "'a' occurs twice");
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", 0, "occurs twice");
  expect_refused(R"({"__metadata__":{"k":"1","k":"2"}})", 0, "'k' occurs twice");
  expect_refused(
      R"({"a":{"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1, "occurs twice");
}

TEST(SafetensorsHeader, FieldsThatAreMissingUnknownOrOfAnotherTypeAreRefused) {
  expect_refused(R"({"a":{}})", 0, "'dtype' is missing");
  expect_refused(R"({"a":{"dtype":"U8"}})", 0, "'shape' is missing");
  expect_refused(R"({"a":{"dtype":"U8","shape":[]}})", 0, "'data_offsets' is missing");
  expect_refused(R"({"a":{"dtipe":"U8"}})", 0, "unknown field 'dtipe'");
  expect_refused(R"({"a":{"dtype":8}})", 0, "dtype: expected a string, found 8");
  expect_refused(R"({"a":{"dtype":["U8"]}})", 0, "dtype: expected a string");
  expect_refused(R"({"a":{"shape":"[1]"}})", 0, "shape: expected a list");
  expect_refused(R"({"a":{"shape":{}}})", 0, "shape: expected a list");
  expect_refused(R"({"a":{"shape":null}})", 0, "shape: expected a list, found null");
  expect_refused(R"({"a":{"shape":[true]}})", 0, "whole numbers from 0, found true");
  expect_refused(R"({"__metadata__":1})", 0, "expected a map");
  expect_refused(R"({"__metadata__":{"k":1}})", 0, "'k': expected a string, found 1");
  expect_refused(R"({"__metadata__":{"k":{}}})", 0, "'k': expected a string");
  expect_refused(one("F33", "[1]", "[0,4]"), 4, "dtype 'F33' is not of the format");
}

TEST(SafetensorsHeader, NumbersThatAreNoSizesAreRefused) {
  for (const char* number : {"-1", "1.0", "1e0", "\"1\"", "18446744073709551616"})
    expect_refused(one("U8", fmt::format("[{}]", number), "[0,1]"), 1, "whole numbers from 0");
  expect_refused(one("U8", "[9223372036854775808]", "[0,1]"), 1, "below 2^63");
  expect_refused(one("U8", "[1]", "[0,-1]"), 1, "whole numbers from 0");
  expect_refused(one("U8", "[1]", "[0,18446744073709551615]"), 1, "below 2^63");
  expect_refused(one("U8", "[1]", "[0]"), 1, "[begin, end], found 1 numbers");
  expect_refused(one("U8", "[1]", "[0,1,1]"), 1, "[begin, end]");
}

TEST(SafetensorsHeader, ShapesWhoseProductWrapsAreRefused) {
  // 2^62 · 4 = 2^64 and 2^32 · 2^32 wrap to 0 in 64 bits.
  expect_refused(one("F32", "[4611686018427387904]", "[0,0]"), 0, "too large");
  expect_refused(one("U8", "[4294967296,4294967296]", "[0,0]"), 0, "too large");
  expect_refused(one("U8", "[9223372036854775807,9223372036854775807,0]", "[0,0]"), 0, "too large");
  expect_refused(one("F4", "[3]", "[0,1]"), 1, "no whole bytes");
  EXPECT_EQ(refusal(one("F4", "[4]", "[0,2]"), 2), "");
}

TEST(SafetensorsHeader, OffsetsThatLieAreRefused) {
  expect_refused(one("F32", "[2]", "[8,0]"), 8, "before they begin");
  expect_refused(one("F32", "[2]", "[0,4]"), 8, "takes 8 bytes, but data_offsets span 4");
  expect_refused(one("F32", "[2]", "[0,8]"), 7, "may be truncated");
  expect_refused(one("U8", "[1]", "[9223372036854775806,9223372036854775807]"), 1, "truncated");
  expect_refused(one("F32", "[2]", "[0,8]"), 9, "the data have 9 bytes");
  expect_refused(one("F32", "[2]", "[4,12]"), 12, "ends already");
  const auto two = [](std::string_view first, std::string_view second) {
    return fmt::format(
        R"({{"a":{},"b":{}}})", entry("U8", "[4]", first), entry("U8", "[4]", second));
  };
  EXPECT_EQ(refusal(two("[4,8]", "[0,4]"), 8), "");
  expect_refused(two("[0,4]", "[0,4]"), 4, "the one before it ends only");
  expect_refused(two("[0,4]", "[3,7]"), 7, "the one before it ends only");
  expect_refused(two("[0,4]", "[5,9]"), 9, "ends already");
  // A tensor without elements inside another one.
  expect_refused(
      fmt::format(R"({{"a":{},"b":{}}})", entry("U8", "[4]", "[0,4]"), entry("U8", "[0]", "[2,2]")),
      4,
      "the one before it ends only");
}

TEST(SafetensorsHeader, NamesInMessagesCannotMoveTheCursor) {
  const std::string message = refusal("{\"\\u001b[2J\\u009b\":1}");
  EXPECT_NE(message.find("\\x1b[2J\\x9b"), std::string::npos) << message;
}

}  // namespace
}  // namespace demix
