#include "demix/evaluate/python_regex.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

using Found = std::vector<std::vector<std::string>>;

Found found(std::string_view pattern, std::string_view text) {
  return PythonRegex(pattern).find_all(text);
}

// Expected values are those of Python 3.11's re.findall.
TEST(PythonRegex, FindsWhatPythonFinds) {
  EXPECT_EQ(found(R"(#### (\-?[0-9\.\,]+))", "a #### 1,2\n#### -3."), (Found{{"1,2"}, {"-3."}}));
  EXPECT_EQ(found(R"((-?[$0-9.,]{2,})|(-?[0-9]+))", "-5 $1.0 a"),
            (Found{{"", "-5"}, {"$1.0", ""}}));
  EXPECT_EQ(found("a*", "baac"), (Found{{""}, {"aa"}, {""}, {""}}));
  EXPECT_EQ(found("(?<=answer is )(.*)(?=.)", "The answer is 42."), (Found{{"42"}}));
  EXPECT_EQ(found("(a?)*?b|(?:(a)|b)*", "aab"), (Found{{"a", ""}, {"", ""}}));
  EXPECT_EQ(found("^.$", "a\n"), (Found{{"a"}}));
  EXPECT_EQ(found("(?m)^.", "ab\nc"), (Found{{"a"}, {"c"}}));
  EXPECT_EQ(found("(?s)a.b", "a\nb"), (Found{{"a\nb"}}));
  EXPECT_EQ(found("(?i)stra\xC3\x9F|k", "STRA\xE1\xBA\x9E \xE2\x84\xAA"),
            (Found{{"STRA\xE1\xBA\x9E"}, {"\xE2\x84\xAA"}}));
  EXPECT_EQ(found(R"(\b\w+\b)", "\xC3\xA9t\xC3\xA9 a_1"), (Found{{"\xC3\xA9t\xC3\xA9"}, {"a_1"}}));
  EXPECT_EQ(found("x{,2}y|{", "xxxy{"), (Found{{"xxy"}, {"{"}}));
  EXPECT_EQ(found(R"([]a\]-]+)", "a]-b"), (Found{{"a]-"}}));
}

TEST(PythonRegex, ReplacesWhatPythonReplaces) {
  EXPECT_EQ(PythonRegex("(?s).*#### ").replace("a\n#### 5 #### 6", ""), "6");
  EXPECT_EQ(PythonRegex("x*").replace("axb", "-"), "-a--b-");
  EXPECT_EQ(PythonRegex(R"(\.$)").replace("4..\n", ""), "4.\n");
}

TEST(PythonRegex, TextsThatAreNotUtf8AreSeenWithReplacements) {
  EXPECT_EQ(found(".", "a\xFF"), (Found{{"a"}, {"\xEF\xBF\xBD"}}));
}

TEST(PythonRegex, NoExpressionTakesLong) {
  const std::string many(20'000, 'a');
  for (const char* hostile :
       {"(a*)*b", "(a|aa)+$b", "(?:a?){200}a{200}b", "(a+a+)+b", "(?=(?:.*a)*b)", "(?:(?:a*)*)*c"})
    EXPECT_TRUE(found(hostile, many).empty()) << hostile;
}

TEST(PythonRegex, WhatIsNotReadIsRefusedByName) {
  const auto message = [](const std::string& pattern) -> std::string {
    try {
      PythonRegex regex(pattern);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message("(a)(?P=x)"),
            "the expression '(a)(?P=x)', character 5: a reference to a group is not read here");
  EXPECT_EQ(message("(?\r:a)"),
            "the expression '(?\\x0d:a)', character 2: the flag '\\x0d' is not read here");
  const std::vector<std::pair<std::string, std::string>> refused{
      {R"((a)\1)", "a reference to a group is not read here"},
      {"(a)(?(1)b)", "a condition is not read here"},
      {"(?>a)", "an atomic group is not read here"},
      {"a++", "a possessive repetition is not read here"},
      {"(?x)a", "the flag 'x' is not read here"},
      {"a(?i)b", "flags that are not at the beginning is not read here"},
      {"(?=(a))", "a group within a lookaround is not read here"},
      {R"(\N{DIGIT ONE})", R"('\N' is not read here)"},
      {"(?<=a+)b", "a lookbehind of several widths is no Python expression"},
      {"*a", "nothing to repeat is no Python expression"},
      {"a**", "a repeated repetition is no Python expression"},
      {"(a", "an unfinished group is no Python expression"},
      {"a)", "an unmatched ')' is no Python expression"},
      {"[a", "an unfinished class is no Python expression"},
      {"[b-a]", "a range from high to low is no Python expression"},
      {"a{3,2}", "a repetition from high to low is no Python expression"},
      {"a\\", "an unfinished construct is no Python expression"},
      {"(?:a{9999}){9999}", "is too long to be read here"},
      {std::string(200, '(') + std::string(200, ')'), "so deep a nesting is not read here"}};
  for (const auto& [pattern, reason] : refused)
    EXPECT_NE(message(pattern).find(reason), std::string::npos)
        << pattern << ": " << message(pattern);
}

TEST(PythonRegex, HostileExpressionsEndSoon) {
  const auto outcome = [](std::string_view pattern, const std::string& text) -> std::string {
    try {
      return fmt::format("{} matches", PythonRegex(pattern).find_all(text).size());
    } catch (const Error& error) {
      return error.what();
    }
  };
  const std::string letters(20'000, 'a');
  EXPECT_EQ(outcome("(a+)+$", letters + "!"), "0 matches");
  EXPECT_EQ(outcome("(?:a|aa|a*)*b", letters), "0 matches");
  EXPECT_EQ(outcome("(?:a?){9000}b", letters),
            "the expression '(?:a?){9000}b' takes too long for a text of 20000 characters");
  EXPECT_NE(outcome("(?i)" + std::string(R"([\x00-\U0010ffff][\x00-\U0010ffff])"), "a")
                .find("so many characters in classes that ignore case is not read here"),
            std::string::npos);
  EXPECT_EQ(outcome(R"((?i)[\x00-\U0010ffff]{99})", letters), "202 matches");
}

}  // namespace
}  // namespace demix
