#include "demix/core/config.h"

#include <gtest/gtest.h>

#include "tests/message_of.h"
#include "tests/temporary_folder.h"

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
  EXPECT_TRUE(
      message("rounds: [1")
          .starts_with(
              "test.yaml:1: not valid YAML: end of sequence flow not found; look in this line"));
  EXPECT_EQ(message("quoted: [a]"), "test.yaml:1: quoted: expected text, found a list");
  EXPECT_EQ(message("rounds: 3_000_000_000"),
            "test.yaml:1: rounds: 3000000000 is out of range, expected -2147483648 to 2147483647");
}

TEST(Config, NumbersWithUnitsAreRefusedWithWhatToWrite) {
  EXPECT_EQ(message("tokens: 2B"), "test.yaml:1: tokens: expected a number, found '2B'; write 2e9");
  EXPECT_EQ(message("datasets: {wiki: {share: 12.5%}}"),
            "test.yaml:1: datasets.wiki.share: expected a number, found '12.5%'; write 0.125");
}

TEST(Config, TextThatIsNotUtf8IsRefusedWithItsLine) {
  EXPECT_EQ(message("rounds: 1\nquoted: caf\xe9\n"),
            "test.yaml:2: not valid UTF-8; expected text, save the file in that encoding");
  EXPECT_EQ(parse("quoted: café").quoted, "café");
  const std::string_view utf16("\xff\xfer\0o\0u\0n\0d\0s\0:\0 \0\x35\0", 20);
  EXPECT_EQ(parse(utf16).rounds, 5);
}

TEST(Config, AFolderOrALinkToItselfIsNoConfiguration) {
  const TemporaryFolder folder;
  const auto message = [](const std::filesystem::path& path) {
    return message_of([&] { ConfigNode::parse_file(path); });
  };
  EXPECT_EQ(message(folder.path()),
            folder.path().string() + ": is a folder; expected a YAML configuration");
  EXPECT_EQ(message(folder / "a"),
            (folder / "a").string() + ": no such file; expected a YAML configuration");
  std::filesystem::create_symlink(folder / "b", folder / "b");
  EXPECT_EQ(message(folder / "b"),
            (folder / "b").string() + ": is a link to itself; expected a YAML configuration");
}

TEST(Config, ChecksRunWithTheirPlace) {
  EXPECT_EQ(message("datasets: {wiki: {share: 2}}"),
            "test.yaml:1: datasets.wiki: share is 2, expected at most 1");
}

TEST(Config, AMessageThatBeginsWithAKeyHasItsLine) {
  const std::string text = "tokens: 1\ndatasets:\n  wiki.1:\n    names: [a]\n    share: 2\n";
  EXPECT_EQ(message(text), "test.yaml:5: datasets.wiki.1: share is 2, expected at most 1");
  const ConfigNode root = ConfigNode::parse(text, "test.yaml");
  EXPECT_EQ(root.where_of("datasets.wiki.1.share is 2"), "test.yaml:5");
  EXPECT_EQ(root.where_of("datasets.wiki.1: no names"), "test.yaml:3");
  EXPECT_EQ(root.where_of("datasets.wiki.2: is missing"), "test.yaml:2");
  EXPECT_EQ(root.where_of("tokens must be positive"), "test.yaml:1");
  EXPECT_EQ(root.where_of("tokenizer: is missing"), "test.yaml");
  EXPECT_EQ(root.find("datasets")->where_of("of another kind"), "test.yaml:2: datasets");
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

TEST(Config, ASecondDocumentAndMergeKeysAreRefusedWithTheirLine) {
  EXPECT_EQ(message("---\nrounds: 2\n...\n"), "no error");
  EXPECT_EQ(message("# nothing else\n"), "no error");
  EXPECT_EQ(message("rounds: 2\n---\nrounds: 3\n"),
            "test.yaml:2: a second YAML document begins behind '---' or the end of the first; "
            "expected one");
  EXPECT_EQ(message("datasets:\n  a: &a {share: 1}\n  b:\n    <<: *a\n"),
            "test.yaml:4: '<<' (YAML's merge key) is not read; write the keys themselves");
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
