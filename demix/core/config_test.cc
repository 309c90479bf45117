#include "demix/core/config.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

struct Inner {
  double share = 0.5;
  std::vector<std::string> names;
  template <class V>
  void visit(V& v) {
    v("share", share);
    v("names", names);
  }
  void check() const {
    if (share > 1) throw Error("share is {}, expected at most 1", share);
  }
};

struct Outer {
  int rounds = 3;
  std::optional<int64_t> tokens;
  std::map<std::string, Inner> datasets;
  std::string quoted = "a";
  template <class V>
  void visit(V& v) {
    v("rounds", rounds);
    v("tokens", tokens);
    v("datasets", datasets);
    v("quoted", quoted);
  }
};

Outer parse(std::string_view text) {
  return read_config<Outer>(ConfigNode::parse(text, "test.yaml"));
}

std::string message(std::string_view text) {
  try {
    parse(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Config, AbsentKeysKeepTheirDefaults) {
  const Outer outer = parse("tokens: 300_000\ndatasets: {wiki: {names: [a, b]}}");
  EXPECT_EQ(outer.rounds, 3);
  EXPECT_EQ(outer.tokens, 300000);
  EXPECT_EQ(outer.datasets.at("wiki").share, 0.5);
  EXPECT_EQ(outer.datasets.at("wiki").names, (std::vector<std::string>{"a", "b"}));
}

TEST(Config, ExponentsAreWholeNumbersWhenExact) {
  EXPECT_EQ(parse("tokens: 5e7").tokens, 50000000);
}

TEST(Config, AnUnknownKeyIsRefusedWithLineAndNearestKey) {
  EXPECT_EQ(message("rounds: 2\ndatasets:\n  wiki:\n    shore: 1\n"),
            "test.yaml:4: datasets.wiki.shore: unknown key 'shore'; did you mean 'share'?");
}

TEST(Config, WrongTypesAndRepeatedKeysAreRefusedWithTheirLine) {
  EXPECT_EQ(message("rounds: many"), "test.yaml:1: rounds: expected a number, found 'many'");
  EXPECT_EQ(message("rounds: 2.5"), "test.yaml:1: rounds: expected a whole number, found '2.5'");
  EXPECT_EQ(message("rounds: 1\nrounds: 2"), "test.yaml:2: key 'rounds' appears twice");
  EXPECT_EQ(message("rounds: [1"), "test.yaml:1: not valid YAML: end of sequence flow not found");
}

TEST(Config, ChecksRunWithTheirPlace) {
  EXPECT_EQ(message("datasets: {wiki: {share: 2}}"),
            "test.yaml:1: datasets.wiki: share is 2, expected at most 1");
}

TEST(Config, WhatIsWrittenReadsBackTheSame) {
  Outer outer =
      parse("rounds: 7\nquoted: 'yes # no'\ndatasets: {b: {share: 0.1}, a: {names: [x]}}");
  const std::string text = write_config(outer);
  Outer again = parse(text);
  EXPECT_EQ(write_config(again), text);
  EXPECT_EQ(again.quoted, "yes # no");
  EXPECT_EQ(again.datasets.at("b").share, 0.1);
}

TEST(Config, AliasesThatStandForTooMuchOrForThemselvesAreRefused) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    text += fmt::format("a{}: &a{} [", i, i);
    for (int k = 0; k < 10; ++k) text += fmt::format("{}*a{}", k ? ", " : "", i - 1);
    text += "]\n";
  }
  EXPECT_NE(message(text).find("more than 100,000 values, aliases (*name) filled in"),
            std::string::npos)
      << message(text);
  EXPECT_EQ(message("a: &a [*a]\n"),
            "test.yaml:1: more than 100 lists and maps within one another");
  EXPECT_EQ(message("datasets: {a: &a {share: 0.5}, b: *a}"), "no error");
}

TEST(Config, MessagesAreShortAndPlainWhateverTheFileHolds) {
  const std::string longest(5000, 'a');
  const std::vector<std::string> texts{longest + ": 1",
                                       "\"a\\e[2J\": 1",
                                       "rounds: " + longest,
                                       "rounds: \"\\e[2J\"",
                                       "datasets: {" + longest + ": {share: 2}}",
                                       longest + ": 1\n" + longest + ": 2",
                                       "a: *" + longest};
  for (const std::string& text : texts) {
    const std::string found = message(text);
    EXPECT_TRUE(found.starts_with("test.yaml:")) << found;
    EXPECT_LT(found.size(), 600u);
    for (const char c : found) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << found;
  }
}

}  // namespace
}  // namespace demix
