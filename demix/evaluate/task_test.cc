#include "demix/evaluate/task.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "demix/core/error.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// A folder of tasks and one of data, both written by the test.
class TaskTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(testing::TempDir()) / (std::string("demix_task_") + info->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "data");
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
  }
  Task load(int64_t limit = 0) { return load_with({.limit = limit}); }
  Task load_with(const TaskOptions& options, const std::string& name = "t") {
    return load_task(name, root_, root_ / "data", options);
  }
  std::string message(const TaskOptions& options = {}, const std::string& name = "t") {
    try {
      load_with(options, name);
    } catch (const Error& error) {
      std::string text = error.what();
      for (size_t at; (at = text.find(root_.string() + "/")) != std::string::npos;)
        text.erase(at, root_.string().size() + 1);
      return text;
    }
    return "no error";
  }

  fs::path root_;
};

TEST_F(TaskTest, AnswersAreGeneratedOnlyWhereTheyAreWanted) {
  write("t.yaml", R"(domain: math
data: [t]
context: "{question}"
answer: "{answer}"
generation: {judge: gsm8k, stops: ["Q:"], max_tokens: 9, reference: "{answer} #### {number}"}
metrics: [bpb, exact_match]
primary_metric: bpb
)");
  write("data/t.jsonl", R"({"question": "How many?", "answer": "four", "number": 4})");
  const Task plain = load();
  EXPECT_EQ(plain.metrics, std::vector<std::string>{"bpb"});
  EXPECT_FALSE(plain.generation);
  const Task generating = load_with({.generate = true});
  EXPECT_EQ(generating.metrics, (std::vector<std::string>{"bpb", "exact_match"}));
  EXPECT_EQ(generating.generation->max_tokens, 9);
  EXPECT_EQ(generating.generation->stops, std::vector<std::string>{"Q:"});
  EXPECT_EQ(generating.items[0].references[0], "four #### 4");
  EXPECT_NE(generating.hash, plain.hash);
}

TEST_F(TaskTest, SeveralAnswersOfAnItemGivePassAtK) {
  const auto with = [&](const std::string& generation, const std::string& metrics) {
    write("t.yaml",
          "domain: math\ndata: [t]\ncontext: \"{q}\"\nanswer: \"{a}\"\ngeneration: {judge: gsm8k, "
          "reference: x" +
              generation + "}\nmetrics: [bpb, " + metrics + "]\nprimary_metric: bpb\n");
    write("data/t.jsonl", R"({"q": "How many?", "a": "four"})");
  };
  with(", answers: 20, temperature: 0.8, top_p: 0.9, top_k: 5", "pass@1, pass@20");
  const Task task = load_with({.generate = true});
  EXPECT_EQ(task.metrics, (std::vector<std::string>{"bpb", "pass@1", "pass@20"}));
  EXPECT_EQ(task.generation->answers, 20);
  EXPECT_EQ(task.generation->temperature, 0.8);
  EXPECT_EQ(task.generation->top_p, 0.9);
  EXPECT_EQ(task.generation->top_k, 5);
  EXPECT_NE(load_with({.generate = true, .temperature = 0.7}).hash, task.hash);
  // Told otherwise: what ten answers give.
  EXPECT_EQ(load_with({.generate = true, .answers = 10}).metrics,
            (std::vector<std::string>{"bpb", "pass@1", "pass@10"}));

  with("", "exact_match");
  EXPECT_EQ(load_with({.generate = true, .answers = 12, .temperature = 1.0}).metrics,
            (std::vector<std::string>{"bpb", "exact_match", "pass@1", "pass@10"}));
  EXPECT_EQ(message({.generate = true, .answers = 2}),
            "task t: 2 answers of temperature 0 are all the same; name a temperature "
            "(--temperature 0.8)");
  with(", answers: 2", "exact_match");
  EXPECT_EQ(message(),
            "t.yaml:5: generation.answers: 2 answers of temperature 0 are all the same; set "
            "generation.temperature");
  with(", answers: 2, temperature: 1", "pass@3");
  EXPECT_EQ(message(),
            "t.yaml:6: metrics: pass@3 needs 3 answers of each item, and generation.answers is 2");
  with(", temperature: -1", "exact_match");
  EXPECT_EQ(message(),
            "t.yaml:5: generation.temperature: expected 0 (the likeliest token) or more, found -1");
  with(", top_p: 0", "exact_match");
  EXPECT_EQ(message(), "t.yaml:5: generation.top_p: expected above 0, at most 1, found 0");
}

TEST_F(TaskTest, RefusesWrongGeneration) {
  const auto with = [&](const std::string& generation, const std::string& metrics) {
    write("t.yaml",
          "domain: math\ndata: [t]\ncontext: \"{q}\"\nanswer: \"{a}\"\n" + generation +
              "metrics: [" + metrics + "]\nprimary_metric: bpb\n");
    return message();
  };
  EXPECT_EQ(with("", "bpb, exact_match"),
            "t.yaml:5: metrics: exact_match is of generated answers, and there is no 'generation'");
  EXPECT_EQ(with("generation: {judge: oracle, reference: x}\n", "bpb"),
            "t.yaml:5: generation.judge: expected one of gsm8k, math, program, found 'oracle'");
  EXPECT_EQ(with("generation: {judge: program, reference: x}\n", "bpb, exact_match"),
            "t.yaml:6: metrics: judge program gives pass@1, not exact_match");
  EXPECT_EQ(with("generation: {judge: gsm8k, reference: x, max_tokens: 0}\n", "bpb"),
            "t.yaml:5: generation.max_tokens: expected at least 1, found 0");
  EXPECT_EQ(with("generation: {judge: gsm8k}\n", "bpb"),
            "t.yaml:1: generation.reference: expected what the judge compares with, such as "
            "\"{answer}\"");
}

constexpr const char* kChoiceTask = R"(domain: general
data: [t_test, t]
id: "{id}"
context: "Q: {q}\nA:"
choices: "{c.text}"
gold: "{key}"
labels: "{c.label}"
metrics: [acc, bpb]
primary_metric: acc
)";
constexpr const char* kRow =
    R"({"id": "x1", "q": "Why?", "c": {"text": ["so", "naïve"], "label": ["A", "B"]}, "key": "B"})";

TEST_F(TaskTest, AChoiceItemHasOneContextAndItsAnswersLengths) {
  write("t.yaml", kChoiceTask);
  write("data/t.jsonl", kRow);
  const Task task = load();
  ASSERT_EQ(task.items.size(), 1u);
  const Item& item = task.items[0];
  EXPECT_EQ(item.id, "x1");
  EXPECT_EQ(item.contexts, (std::vector<std::string>{"Q: Why?\nA:"}));
  EXPECT_EQ(item.continuations, (std::vector<std::string>{" so", " naïve"}));
  EXPECT_EQ(item.gold, 1);
  EXPECT_EQ(item.chars, (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(item.bytes, (std::vector<int64_t>{2, 6}));
  EXPECT_EQ(task.domain, "general");
  EXPECT_EQ(task.primary_metric, "acc");
}

TEST_F(TaskTest, PartialSentencesHaveOneContextPerOption) {
  write("t.yaml",
        "domain: general\ndata: t\ncontext: ['{s|before:_}{a}', '{s|before:_}{b}']\nanswer: "
        "'{s|after:_|strip}'\n"
        "gold: '{key}'\nlabels: ['1', '2']\nmetrics: [acc]\nprimary_metric: acc\n");
  write("data/t.jsonl", R"({"s": "Ann beat Eva, so _ won.", "a": "Ann", "b": "Eva", "key": "2"})");
  const Item item = load().items[0];
  EXPECT_EQ(item.contexts,
            (std::vector<std::string>{"Ann beat Eva, so Ann", "Ann beat Eva, so Eva"}));
  EXPECT_EQ(item.continuations, (std::vector<std::string>{" won.", " won."}));
  EXPECT_EQ(item.gold, 1);
}

TEST_F(TaskTest, AGoldAnswerItemHasOneContinuation) {
  write("t.yaml",
        "domain: code\ndata: t\ncontext: '{p}'\nanswer: '{code}'\ndelimiter: ''\nkeep: {task_id: "
        "[2, 3]}\n"
        "metrics: [bpb]\nprimary_metric: bpb\n");
  write("data/t.jsonl",
        "{\"p\": \"a\", \"code\": \"1\", \"task_id\": 1}\n{\"p\": \"b\\n\", \"code\": \" 2\", "
        "\"task_id\": 2}\n");
  const Task task = load();
  ASSERT_EQ(task.items.size(), 1u);
  EXPECT_EQ(task.items[0].id, "1");
  EXPECT_EQ(task.items[0].contexts[0], "b\n");
  EXPECT_EQ(task.items[0].continuations, (std::vector<std::string>{" 2"}));
}

TEST_F(TaskTest, LimitKeepsTheFirstItems) {
  write("t.yaml", kChoiceTask);
  write("data/t.jsonl", std::string(kRow) + "\n" + kRow + "\n" + kRow + "\n");
  EXPECT_EQ(load(2).items.size(), 2u);
  EXPECT_EQ(load(9).items.size(), 3u);
  EXPECT_NE(load(2).hash, load(3).hash);
  EXPECT_EQ(load(9).hash, load(0).hash);
}

TEST_F(TaskTest, PartsAreReadTogetherAndNumberedByPart) {
  write("t.yaml",
        "domain: math\ndata: t\ndata_parts: [t_a, t_b]\ncontext: '{p}'\nanswer: '{s}'\nmetrics: "
        "[bpb]\n"
        "primary_metric: bpb\n");
  write("data/t_a.jsonl", R"({"p": "1", "s": "2"})");
  EXPECT_EQ(message(),
            "data: t_a is there, but not t_b; t.yaml:3: data_parts needs all of t_a, t_b");
  write("data/t_b.jsonl", R"({"p": "3", "s": "4"})");
  const Task task = load();
  ASSERT_EQ(task.items.size(), 2u);
  EXPECT_EQ(task.items[1].id, "t_b/0");
}

TEST_F(TaskTest, TheFirstStemWinsAndTwoFilesOfAStemAreAnError) {
  write("t.yaml", kChoiceTask);
  EXPECT_EQ(message(),
            "data: found no data file for t.yaml:2: data: expected t_test or t with .jsonl, "
            ".jsonl.gz, .jsonl.zst, "
            ".parquet or .arrow");
  write("data/t.jsonl", kRow);
  write("data/t_test.jsonl", std::string(kRow) + "\n" + kRow + "\n");
  EXPECT_EQ(load().items.size(), 2u);
  write("data/t_test.parquet", "");
  EXPECT_EQ(message(), "data: both t_test.jsonl and t_test.parquet are there; keep one");
}

TEST_F(TaskTest, AWrongTaskIsRefusedWithItsLine) {
  write("data/t.jsonl", kRow);
  const auto with = [&](std::string from, std::string to) {
    std::string text = kChoiceTask;
    text.replace(text.find(from), from.size(), to);
    write("t.yaml", text);
    return message();
  };
  EXPECT_EQ(with("gold:", "golden:"),
            "t.yaml:6: golden: unknown key 'golden'; did you mean 'gold'?");
  EXPECT_EQ(with("[acc,", "[acc_nrm,"),
            "t.yaml:8: metrics: unknown metric 'acc_nrm'; known are acc, acc_norm, acc_bytes, "
            "acc_tokens, "
            "choice_prob, choice_prob_norm, bpb, perplexity, exact_match, "
            "exact_match_flexible, pass@1; did you mean 'acc_norm'?");
  EXPECT_EQ(
      with("primary_metric: acc", "primary_metric: acc_norm"),
      "t.yaml:9: primary_metric: expected one of this task's metrics (acc, bpb), found 'acc_norm'");
  EXPECT_EQ(with("{c.text}\"", "{c.text|trim}\""),
            "t.yaml:5: choices: unknown transform 'trim'; known are strip, strip_left, capitalize, "
            "words, before, after, before_last, after_last, wikihow");
  EXPECT_EQ(with("choices: \"{c.text}\"\n", ""),
            "t.yaml:1: choices: expected either 'choices' or 'answer'");
}

TEST_F(TaskTest, ARowThatDoesNotFitIsRefusedWithItsNumber) {
  write("t.yaml", kChoiceTask);
  const auto with = [&](std::string from, std::string to) {
    std::string text = kRow;
    text.replace(text.find(from), from.size(), to);
    write("data/t.jsonl", std::string(kRow) + "\n" + text + "\n");
    return message();
  };
  EXPECT_EQ(with("\"q\"", "\"question\""),
            "data/t.jsonl: row 2: no field 'q', which t.yaml:4: context asks for; there are: id, "
            "question, c, key; did you mean 'c'?");
  EXPECT_EQ(
      with("\"key\": \"B\"", "\"key\": \"C\""),
      "data/t.jsonl: row 2: the right answer is 'C' (t.yaml:6: gold), but the labels are A, B");
  EXPECT_EQ(with("[\"so\", \"naïve\"]", "[]"),
            "data/t.jsonl: row 2: expected at least two choices (t.yaml:5: choices), found 0");
  EXPECT_EQ(with("\"so\"", "\" \""), "data/t.jsonl: row 2: t.yaml:5: choices gives an empty text");
  EXPECT_EQ(with("[\"A\", \"B\"]", "[\"B\"]"),
            "data/t.jsonl: row 2: 2 choices, but 1 labels (t.yaml:7: labels)");
}

TEST_F(TaskTest, ANumberedGoldAnswerMustBeInRange) {
  write("t.yaml",
        "domain: general\ndata: t\ncontext: '{q}'\nchoices: ['{a}', '{b}']\ngold: "
        "'{label}'\nmetrics: [acc]\n"
        "primary_metric: acc\n");
  write("data/t.jsonl", R"({"q": "q", "a": "a", "b": "b", "label": 1})");
  EXPECT_EQ(load().items[0].gold, 1);
  for (const char* label : {"2", "-1", "\"\"", "\"1x\""}) {
    write("data/t.jsonl", std::string(R"({"q": "q", "a": "a", "b": "b", "label": )") + label + "}");
    EXPECT_TRUE(message().starts_with(
        "data/t.jsonl: row 1: expected the right answer as a number from 0 to 1 "
        "(t.yaml:5: gold), found '"))
        << message();
  }
  write("data/t.jsonl", R"({"q": "", "a": "a", "b": "b", "label": 1})");
  EXPECT_EQ(message(), "data/t.jsonl: row 1: t.yaml:3: context gives an empty text");
  write("data/t.jsonl", "");
  EXPECT_EQ(message(), "data/t.jsonl: no item for task t");
}

constexpr const char* kGroup = R"(domain: general
members: [one, two_words]
data: ["g_{member}"]
preamble: "About {member|words}: "
context: "{q}"
choices: ["{a}", "{b}"]
gold: "0"
metrics: [acc]
primary_metric: acc
)";
constexpr const char* kGroupRows = R"({"q": "1", "a": "2", "b": "3"}
{"q": "4", "a": "5", "b": "6"}
)";

TEST_F(TaskTest, AGroupIsItsMembersItemsInOrder) {
  write("g.yaml", kGroup);
  write("data/g_one.jsonl", kGroupRows);
  EXPECT_EQ(message({}, "g"),
            "data: found no data file for g.yaml:3: data: expected g_two_words with .jsonl, "
            ".jsonl.gz, .jsonl.zst, .parquet or .arrow");
  write("data/g_two_words.jsonl", kGroupRows);
  const Task task = load_with({}, "g");
  ASSERT_EQ(task.members.size(), 2u);
  EXPECT_EQ(task.members[1].name, "g_two_words");
  EXPECT_EQ(task.members[1].items, 2);
  EXPECT_FALSE(task.members_count_equally);
  ASSERT_EQ(task.items.size(), 4u);
  EXPECT_EQ(task.items[3].id, "two_words/1");
  EXPECT_EQ(task.items[3].contexts[0], "About two words: 4");
  EXPECT_EQ(load_with({.limit = 1}, "g").items.size(), 2u);  // of each member
  EXPECT_EQ(load_with({.limit = 1}, "g").items[1].id, "two_words/0");
}

TEST_F(TaskTest, AMemberOfAGroupIsATaskOfItsOwn) {
  write("g.yaml", kGroup);
  write("data/g_two_words.jsonl", kGroupRows);
  const Task task = load_with({}, "g_two_words");
  EXPECT_EQ(task.name, "g_two_words");
  EXPECT_TRUE(task.members.empty());
  ASSERT_EQ(task.items.size(), 2u);
  EXPECT_EQ(task.items[1].id, "1");
  const std::string text = message({}, "g_two");
  EXPECT_TRUE(
      text.starts_with("no task 'g_two': g.yaml:2: members has no member 'two'; there are: "
                       "one, two_words"))
      << text;
}

TEST_F(TaskTest, AWrongGroupIsRefusedWithItsLine) {
  const auto with = [&](std::string from, std::string to) {
    std::string text = kGroup;
    text.replace(text.find(from), from.size(), to);
    write("g.yaml", text);
    return message({}, "g");
  };
  EXPECT_EQ(with("[one, two_words]", "[one, one]"),
            "g.yaml:2: members: expected different names, found 'one' twice");
  EXPECT_EQ(with("preamble:", "average: all\npreamble:"),
            "g.yaml:4: average: expected items or members, found 'all'");
  EXPECT_EQ(with("g_{member}", "g_{name}"),
            "g.yaml:3: data: no field 'name', which g.yaml:3: data asks for; there are: member");
}

TEST_F(TaskTest, OnlyTheWantedItemsAreLoaded) {
  write("t.yaml", kChoiceTask);
  std::string rows = kRow;
  rows += "\n" + std::string(kRow).replace(8, 2, "x2") + "\n";
  write("data/t.jsonl", rows);
  const Task task = load_with({.items = {{"x2", "items.txt:1"}}});
  ASSERT_EQ(task.items.size(), 1u);
  EXPECT_EQ(task.items[0].id, "x2");
  EXPECT_EQ(message({.items = {{"x2", "items.txt:1"}, {"y", "items.txt:2"}}}),
            "items.txt:2: task t has no item 'y'");
}

TEST_F(TaskTest, AnUnknownTaskIsRefusedWithTheKnownOnes) {
  write("arc.yaml", kChoiceTask);
  EXPECT_EQ(message().find("no task 't' in "), 0u);
  EXPECT_NE(message().find("there are: arc"), std::string::npos);
}

TEST(ShippedTasks, AllAreThere) {
  const auto names = task_names(fs::path(DEMIX_SOURCE_DIR) / "tasks");
  EXPECT_EQ(names,
            (std::vector<std::string>{"arc_challenge",
                                      "arc_easy",
                                      "blimp",
                                      "boolq",
                                      "commonsense_qa",
                                      "gsm8k",
                                      "hellaswag",
                                      "humaneval",
                                      "lambada_openai",
                                      "mbpp",
                                      "minerva_math",
                                      "mmlu",
                                      "openbookqa",
                                      "piqa",
                                      "sciq",
                                      "social_iqa",
                                      "winogrande"}));
}

}  // namespace
}  // namespace demix
