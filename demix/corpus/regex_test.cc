#include "demix/corpus/regex.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "demix/core/files.h"
#include "demix/corpus/pretokenizer.h"
#include "demix/corpus/test_files.h"

namespace demix {
namespace {

TEST(Regex, PiecesAreThoseOfTheLibrary) {
  const std::map<std::string, Split::Behavior> behaviors = {
      {"Isolated", Split::Behavior::kIsolated},
      {"Removed", Split::Behavior::kRemoved},
      {"MergedWithPrevious", Split::Behavior::kMergedWithPrevious},
      {"MergedWithNext", Split::Behavior::kMergedWithNext},
      {"Contiguous", Split::Behavior::kContiguous},
  };
  const auto cases =
      nlohmann::json::parse(read_file(DEMIX_SOURCE_DIR "/tests/data/tokenizer/patterns.json"));
  ASSERT_GT(cases.size(), 110u);
  for (const auto& entry : cases) {
    const Split split{
        Regex(entry[0].get<std::string>()), behaviors.at(entry[1]), entry[2].get<bool>()};
    const auto text = entry[3].get<std::string>();
    std::vector<std::string> pieces;
    for (const std::string_view piece : split.pieces(text)) pieces.emplace_back(piece);
    EXPECT_EQ(pieces, entry[4].get<std::vector<std::string>>()) << entry.dump();
  }
}

TEST(Regex, ALiteralMatchesItself) {
  const Regex dots = Regex::literal("..\xC3\xA9");
  const std::string text = "a...\xC3\xA9";
  const auto match = dots.search(text, 0);
  ASSERT_TRUE(match);
  EXPECT_EQ(text.substr(match->begin, match->end - match->begin), "..\xC3\xA9");
  EXPECT_FALSE(dots.search("a..e", 0));
  EXPECT_FALSE(dots.search("", 0));
}

// Each would match otherwise than in the library, or is not worth its code.
TEST(Regex, WhatIsNotSupportedIsRefusedByName) {
  const std::map<std::string, std::string> refusals = {
      {R"(\w+)", R"('\w')"},
      {R"(\bword)", R"('\b')"},
      {R"(\h)", R"('\h')"},
      {R"(\A)", R"('\A')"},
      {R"(\R)", R"('\R')"},
      {R"((a)\1)", R"('\1')"},
      {R"(\p{Han}+)", "property 'Han'"},
      {R"(\p{letter}+)", "property 'letter'"},
      {R"(\p{L)", "unfinished property"},
      {R"((?<=a)b)", "'(?<'"},
      {R"((?<!a)b)", "'(?<'"},
      {R"((?<name>a))", "'(?<'"},
      {R"((?>a))", "'(?>'"},
      {R"((?i)a)", "'(?i'"},
      {R"((?m:.))", "'(?m'"},
      {R"((a)", "unfinished group"},
      {R"(a))", "unmatched ')'"},
      {R"([a)", "unfinished class"},
      {R"([]a])", "']' as the first"},
      {R"([a&&b])", "'&&'"},
      {R"([[:alpha:]])", "'[:'"},
      {R"([a[^b]])", "a negated class within a class"},
      {R"([\s-a])", "a range that begins with a class"},
      {R"([a-\s])", "a range that ends with a class"},
      {R"([b-a])", "from high to low"},
      {R"((?i:[\p{Lu}]))", R"('\p' in (?i:[]))"},
      {R"((?i:[\S]))", R"('\S' in (?i:[]))"},
      {R"((?i:ss))", "two letters equal one"},
      {R"((?i:fi))", "two letters equal one"},
      {"(?i:\xC3\xA9)", "more than ASCII"},
      {R"((?i:s+))", "repeating a letter without case"},
      {R"((?:a?)+)", "repeating what may be empty"},
      {R"(^*a)", "repeating what may be empty"},
      {R"((?:ab){2})", "this repetition of a group"},
      {R"((?:ab)+?)", "this repetition of a group"},
      {R"(a{2}+)", "'+' after a repetition"},
      {R"(a{2}?)", "'?' after a repetition"},
      {R"(a**)", "a repeated repetition"},
      {R"(a{,3})", "this repetition"},
      {R"(a{3,2})", "this repetition"},
      {R"(a{1000000})", "so many repetitions"},
      {R"(*a)", "'*' here"},
      {R"(\x80)", "number of a code point"},
      {R"(\x{110000})", "number of a code point"},
      {R"(\uD800)", "number of a code point"},
      {"a\\", "unfinished construct"},
      {"a|", "can match empty text"},
      {"a*", "can match empty text"},
      {"^", "can match empty text"},
      {"", "can match empty text"},
      {"a\xFF", "not valid UTF-8"},
      {std::string(200, '(') + "a" + std::string(200, ')'), "so deep a nesting"},
      {std::string(200, '['), "so deep a nesting"},
  };
  for (const auto& [pattern, reason] : refusals) {
    const std::string error = error_of([&] { Regex{pattern}; });
    EXPECT_NE(error.find(reason), std::string::npos) << pattern << ": " << error;
  }
}

TEST(Regex, EndlessBacktrackingIsStopped) {
  const Regex hostile(R"((?:a|aa)+b)");
  const std::string text(200, 'a');
  EXPECT_MENTIONS(error_of([&] { hostile.search(text, 0); }), "backtracks more than");
}

}  // namespace
}  // namespace demix
