#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/json.h"
#include "demix/evaluate/task.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = DEMIX_SOURCE_DIR;
// Made-up rows in the published fields, and what lm-evaluation-harness 0.4.13 asks about them;
// tools/parity/harness_prompts.py made both.
const fs::path kData = kSource / "tests/data/evaluate/benchmarks";

// Pairs of context and continuation of each item, as in expected.json.
Json requests_of(const Task& task) {
  Json requests = Json::array();
  for (const Item& item : task.items) {
    Json pairs = Json::array();
    for (size_t i = 0; i < item.continuations.size(); ++i)
      pairs.push_back({item.contexts[item.contexts.size() == 1 ? 0 : i], item.continuations[i]});
    requests.push_back(std::move(pairs));
  }
  return requests;
}

TEST(Fewshot, PromptsOfShippedTasksAreThoseOfTheHarness) {
  const Json expected = Json::parse(read_file(kData / "expected.json"));
  EXPECT_GE(expected.at("prompts").size(), 25u);
  for (const Json& prompts : expected.at("prompts")) {
    const auto name = prompts.at("task").get<std::string>();
    const auto number = prompts.at("fewshot").get<int64_t>();
    const Task task = load_task(name, kSource / "tasks", kData, {.fewshot = number});
    EXPECT_EQ(requests_of(task), prompts.at("requests")) << name << ", " << number;
    for (size_t i = 0; i < task.items.size(); ++i)
      EXPECT_EQ(task.items[i].gold, prompts.at("gold")[i].get<int>()) << name;
  }
}

class FewshotTest : public testing::Test {
 protected:
  Task load(const TaskOptions& options) {
    return load_task("own", folder_.path(), folder_.path(), options);
  }
  std::string message(const std::string& fewshot, int64_t number) {
    write(fewshot);
    try {
      load({.fewshot = number});
    } catch (const Error& error) {
      std::string text = error.what();
      const std::string folder = folder_.path().string();
      for (size_t at; (at = text.find(folder)) != std::string::npos;)
        text.erase(at, folder.size() + (text[at + folder.size()] == '/' ? 1 : 0));
      return text;
    }
    return "no error";
  }
  void write(const std::string& fewshot) {
    folder_.write("own.yaml",
                  "domain: d\ndata: rows\npreamble: \"Numbers.\\n\"\ncontext: '{q}'\n"
                  "answer: '{a}'\nmetrics: [bpb]\nprimary_metric: bpb\n" +
                      fewshot);
  }
  TemporaryFolder folder_;
};

TEST_F(FewshotTest, RowsEqualToTheItemAreLeftOutAsTheHarnessDoes) {
  const Json expected = Json::parse(read_file(kData / "expected.json")).at("same_split");
  std::string rows;
  for (const Json& row : expected.at("rows")) rows += row.dump() + "\n";
  folder_.write("rows.jsonl", rows);
  for (const Json& prompts : expected.at("cases")) {
    const bool first = prompts.at("sampler") == "first_n";
    write(fmt::format(
        "fewshot: {{data: rows, leave_out_item: true, delimiter: \"\\n--\\n\", sampler: {}}}\n",
        first ? "first_n" : "random"));
    const auto number = prompts.at("fewshot").get<int64_t>();
    EXPECT_EQ(requests_of(load({.fewshot = number})), prompts.at("requests"))
        << first << " " << number;
  }
}

TEST_F(FewshotTest, AnItemKeepsItsExamplesWhateverOthersAreWanted) {
  folder_.write("rows.jsonl",
                "{\"q\": \"1\", \"a\": \"2\"}\n{\"q\": \"3\", \"a\": \"4\"}\n"
                "{\"q\": \"5\", \"a\": \"6\"}\n");
  write("fewshot: {data: rows, number: 1}\n");
  const Task all = load({});
  const Task last = load({.items = {{"2", "items.txt:1"}}});
  ASSERT_EQ(last.items.size(), 1u);
  EXPECT_EQ(last.items[0].contexts, all.items[2].contexts);
  EXPECT_EQ(load({.limit = 2}).items[1].contexts, all.items[1].contexts);
  EXPECT_NE(load({.fewshot = 0}).hash, all.hash);
}

TEST_F(FewshotTest, ExamplesWrittenInTheTaskAreRowsOfText) {
  folder_.write("rows.jsonl", R"({"q": "1", "a": "2"})");
  write(
      "fewshot:\n  sampler: first_n\n  number: 2\n  context: '{t[1]}:'\n  answer: '{a}!'\n"
      "  target_delimiter: '>'\n  delimiter: ';'\n"
      "  examples:\n    - {t: [x, y], a: 7}\n    - {t: [x, z], a: true}\n");
  EXPECT_EQ(load({}).items[0].contexts[0], "Numbers.\ny:>7!;z:>true!;1");
}

TEST_F(FewshotTest, WhatCannotBeDrawnIsRefused) {
  folder_.write("rows.jsonl", R"({"q": "1", "a": "2"})");
  EXPECT_EQ(message("", 2),
            "own.yaml:1: fewshot: 2 examples are asked for, but the task names none; expected 0");
  EXPECT_EQ(message("fewshot: {data: train}\n", 0), "no error");
  EXPECT_EQ(message("fewshot: {data: train}\n", 1),
            ": found no data file for own.yaml:8: fewshot.data: expected train with .jsonl, "
            ".jsonl.gz, .jsonl.zst, .parquet or .arrow");
  EXPECT_EQ(message("fewshot: {data: rows}\n", 2),
            "own.yaml:8: fewshot: 2 examples are asked for, which takes 2 rows; there are 1");
  EXPECT_EQ(message("fewshot: {data: rows, leave_out_item: true}\n", 1),
            "own.yaml:8: fewshot: 1 examples are asked for, which takes 2 rows; there are 1");
  folder_.write("rows.jsonl", "{\"q\": \"1\", \"a\": \"2\"}\n{\"q\": \"1\", \"a\": \"2\"}\n");
  EXPECT_EQ(message("fewshot: {data: rows, leave_out_item: true}\n", 1),
            "rows.jsonl: row 1: 1 examples are asked for (own.yaml:8: fewshot), but too few rows "
            "differ from this one");
  EXPECT_EQ(message("fewshot:\n  examples:\n    - {q: '1'}\n", 1),
            "own.yaml:9: fewshot.examples[0]: no field 'a', which own.yaml:5: answer asks for; "
            "there are: q; did you mean 'q'?");
}

TEST_F(FewshotTest, AWrongSectionIsRefusedWithItsLine) {
  folder_.write("rows.jsonl", R"({"q": "1", "a": "2"})");
  EXPECT_EQ(message("fewshot: {sampler: first_n}\n", 0),
            "own.yaml:8: fewshot: expected 'data' or 'examples', where the examples come from");
  EXPECT_EQ(message("fewshot: {data: rows, sampler: last}\n", 0),
            "own.yaml:8: fewshot.sampler: expected random or first_n, found 'last'");
  EXPECT_EQ(message("fewshot: {data: rows, number: -1}\n", 0),
            "own.yaml:8: fewshot.number: expected a number of examples, found -1");
  EXPECT_EQ(message("fewshot: {data: rows, examples: []}\n", 0),
            "own.yaml:8: fewshot.examples: examples come from 'data' or from 'examples', not from "
            "both");
  EXPECT_EQ(message("fewshot: {data: rows, context: [a, b]}\n", 0),
            "own.yaml:8: fewshot.context: expected 1 prompts as in 'context', found 2");
  EXPECT_EQ(
      message("fewshot: {data: rows, shuffle: 1}\n", 0),
      "own.yaml:8: fewshot.shuffle: unknown key 'shuffle'; known here: number, data, examples, "
      "sampler, leave_out_item, context, answer, delimiter, target_delimiter");
}

}  // namespace
}  // namespace demix
