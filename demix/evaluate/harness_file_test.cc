#include "demix/evaluate/harness_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/evaluate/answer_filters.h"
#include "demix/evaluate/judge.h"
#include "demix/evaluate/task.h"
#include "demix/evaluate/task_file.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

const fs::path kData = fs::path(DEMIX_SOURCE_DIR) / "tests/data/evaluate";

// tests/data/evaluate/harness holds files of lm-evaluation-harness 0.4.13 as they are.
TEST(HarnessFile, TheHarnesssOwnFilesGiveItsPrompts) {
  const Json expected = Json::parse(read_file(kData / "benchmarks/expected.json"));
  int compared = 0;
  for (const Json& prompts : expected.at("prompts")) {
    const auto name = prompts.at("task").get<std::string>();
    if (!fs::exists(kData / "harness" / (name + ".yaml"))) continue;
    const Task task = load_task(name,
                                kData / "harness",
                                kData / "benchmarks",
                                {.fewshot = prompts.at("fewshot").get<int64_t>()});
    const Json& requests = prompts.at("requests");
    ASSERT_EQ(task.items.size(), requests.size()) << name;
    for (size_t i = 0; i < task.items.size(); ++i) {
      const Item& item = task.items[i];
      ASSERT_EQ(item.continuations.size(), requests[i].size()) << name;
      EXPECT_EQ(item.gold, prompts.at("gold")[i].get<int>()) << name;
      for (size_t c = 0; c < item.continuations.size(); ++c)
        EXPECT_EQ(Json({item.contexts[0], item.continuations[c]}), requests[i][c]) << name;
    }
    ++compared;
  }
  EXPECT_GE(compared, 14);
}

// tests/data/evaluate/harness_tasks: files of the harness as they are, made-up rows, and what the
// harness makes of them and of random answers; by tools/parity/harness_tasks.py.
TEST(HarnessFile, PromptsGoldAnswersAndVerdictsAreTheHarnesss) {
  const fs::path folder = kData / "harness_tasks";
  const Json expected = Json::parse(read_file(folder / "expected.json"));
  int items = 0, verdicts = 0, right = 0;
  for (const auto& [name, values] : expected.items()) {
    for (const auto& [count, list] : values.at("items").items()) {
      const Task task =
          load_task(name, folder, folder, {.fewshot = std::stoll(count), .generate = true});
      ASSERT_EQ(task.items.size(), list.size()) << name;
      for (size_t i = 0; i < list.size(); ++i) {
        const Item& item = task.items[i];
        EXPECT_EQ(Json(item.contexts), list[i].at("contexts")) << name;
        EXPECT_EQ(item.gold, list[i].value("gold", 0)) << name;
        EXPECT_EQ(item.words, list[i].value("words", 0)) << name;
        if (list[i].contains("continuations")) {
          EXPECT_EQ(Json(item.continuations), list[i].at("continuations")) << name;
        } else {
          EXPECT_EQ(Json(item.references), list[i].at("references")) << name;
        }
        ++items;
      }
    }
    if (!values.contains("answers")) continue;
    const AnswerRules rules = TaskFile(folder / (name + ".yaml")).config().generation.rules;
    const AnswerComparison comparison(rules);
    for (const Json& row : values.at("answers")) {
      const auto choices =
          row.size() > 3 ? row[3].get<std::vector<std::string>>() : std::vector<std::string>();
      const auto found = comparison.compare(
          row[0].get<std::string>(), row[1].get<std::vector<std::string>>(), choices);
      ASSERT_EQ(found.size(), row[2].size());
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(Json({found[i].extracted, found[i].right}), row[2].at(rules.pipelines[i].metric))
            << name << ": " << row.dump();
        ++verdicts;
        right += found[i].right ? 1 : 0;
      }
    }
  }
  EXPECT_GE(items, 70);
  EXPECT_GE(verdicts, 400);
  EXPECT_GE(right, 20);
}

class HarnessFileTest : public testing::Test {
 protected:
  std::string message(const std::string& yaml) {
    folder_.write("t.yaml", yaml);
    try {
      load_task("t", folder_.path(), folder_.path(), {});
    } catch (const Error& error) {
      std::string text = error.what();
      for (size_t at; (at = text.find(folder_.path().string() + "/")) != std::string::npos;)
        text.erase(at, folder_.path().string().size() + 1);
      return text;
    }
    return "no error";
  }
  Task load(const std::string& yaml) {
    folder_.write("t.yaml", yaml);
    return load_task("t", folder_.path(), folder_.path(), {});
  }
  TemporaryFolder folder_;
};

constexpr const char* kFile = R"(task: t
dataset_path: me/t
output_type: multiple_choice
test_split: test
doc_to_text: "{{q}}"
doc_to_choice: ["1", "0"]
doc_to_target: "{{key}}"
metric_list:
  - metric: acc
)";

std::string with(std::string_view from, std::string_view to) {
  std::string text = kFile;
  return text.replace(text.find(from), from.size(), to);
}

TEST_F(HarnessFileTest, ATargetIsANumberOrTheChoiceItselfAsInTheHarness) {
  const std::string as_field = with("\"{{key}}\"", "key");
  folder_.write("t.jsonl", R"({"q": "why", "key": "0"})");
  EXPECT_EQ(load(kFile).items[0].gold, 0);     // a template's digits are a number
  EXPECT_EQ(load(as_field).items[0].gold, 1);  // a field's text is the choice
  folder_.write("t.jsonl", R"({"q": "why", "key": 0})");
  EXPECT_EQ(load(as_field).items[0].gold, 0);
  folder_.write("t.jsonl", R"({"q": "why", "key": "x"})");
  EXPECT_EQ(message(as_field),
            "t.jsonl: row 1: the right answer is 'x' (t.yaml:7: doc_to_target), but the choices "
            "are 1, 0");
  EXPECT_EQ(message(with("\"{{key}}\"", "2")),
            "t.jsonl: row 1: expected the right answer as a number from 0 to 1 (t.yaml:7: "
            "doc_to_target), found '2'");
}

TEST_F(HarnessFileTest, ANumberThatIsTextAndAWordThatIsNoFieldAreExplained) {
  folder_.write("t.jsonl", R"({"q": "why", "key": "5"})");
  EXPECT_EQ(message(with("\"{{key}}\"", "key")),
            "t.jsonl: row 1: expected the right answer as a number from 0 to 1 (t.yaml:7: "
            "doc_to_target), found '5', which is text in the row; a template reads it as a number: "
            "{{FIELD}} instead of FIELD");
  EXPECT_EQ(
      message(with("\"{{q}}\"", "so")),
      "t.jsonl: row 1: no field 'so'; there are: q, key (t.yaml:5: doc_to_text); a word alone is "
      "a field's name, and {{'so'}} is the text");
}

TEST_F(HarnessFileTest, OnlyAFileThatSaysZeroKeepsNoExamples) {
  const auto keeps = [&](const std::string& number) {
    folder_.write("t.yaml", with("metric_list:", number + "\nmetric_list:"));
    return TaskFile(folder_ / "t.yaml").harness()->keeps_no_examples;
  };
  EXPECT_TRUE(keeps("num_fewshot: 0"));
  EXPECT_FALSE(keeps("num_fewshot: 3"));
  EXPECT_FALSE(keeps(""));
}

TEST_F(HarnessFileTest, MetricsAndNamesFollowTheFile) {
  folder_.write("t.jsonl", R"({"q": "why", "key": 0})");
  const Task task = load(kFile);
  EXPECT_EQ(task.metrics, (std::vector<std::string>{"acc", "choice_prob", "bpb"}));
  EXPECT_EQ(task.primary_metric, "choice_prob");
  EXPECT_EQ(task.domain, "general");
  folder_.write("t.jsonl", R"({"q": "why", "key": "so"})");
  const Task answer = load(
      "task: t\ndataset_path: t\noutput_type: loglikelihood\ntest_split: test\ndoc_to_text: q\n"
      "doc_to_target: ' {{key}}'\nmetric_list:\n  - metric: perplexity\n  - metric: acc\n");
  EXPECT_EQ(answer.metrics, (std::vector<std::string>{"perplexity", "acc", "bpb"}));
  EXPECT_EQ(answer.items[0].continuations, (std::vector<std::string>{" so"}));
}

TEST_F(HarnessFileTest, ExamplesAreThoseOfTheFile) {
  folder_.write("t.jsonl", R"({"q": "why", "key": 0})");
  const std::string samples = with("metric_list:",
                                   "description: \"Say:\\n\"\ntarget_delimiter: '>'\n"
                                   "fewshot_delimiter: '|'\nnum_fewshot: 1\n"
                                   "fewshot_config:\n  sampler: first_n\n  samples:\n"
                                   "    - {q: one, key: 1}\n    - {q: two, key: 0}\n"
                                   "metric_list:");
  EXPECT_EQ(load(samples).items[0].contexts[0], "Say:\none>0|why");
  EXPECT_EQ(load(samples).items[0].continuations[0], ">1");
  const auto of = [&](const std::string& section) {
    return message(with("metric_list:", "fewshot_config: " + section + "\nmetric_list:"));
  };
  EXPECT_EQ(of("{sampler: balanced}"),
            "t.yaml:8: fewshot_config.sampler: expected default or first_n, found 'balanced'");
  EXPECT_EQ(of("{samples: !function utils.f}"),
            "t.yaml:8: fewshot_config.samples: the Python function utils.f cannot be run here; "
            "write a task file of demix instead (docs/adding.md)");
  EXPECT_EQ(of("{fewshot_indices: [1]}"),
            "t.yaml:8: fewshot_config.fewshot_indices: 'fewshot_indices' of lm-evaluation-harness "
            "is not read here; write a task file of demix instead (docs/adding.md)");
}

TEST_F(HarnessFileTest, WhatIsNotReadIsRefusedByNameWithItsLine) {
  EXPECT_EQ(message(with("metric_list:", "process_docs: !function utils.f\nmetric_list:")),
            "t.yaml:8: process_docs: 'process_docs' of lm-evaluation-harness is not read here; "
            "write a task file of demix instead (docs/adding.md)");
  EXPECT_EQ(message(with("doc_to_choice:", "doc_to_choise:")),
            "t.yaml:6: doc_to_choise: 'doc_to_choise' of lm-evaluation-harness is not read here; "
            "did you mean 'doc_to_choice'? Otherwise write a task file of demix instead "
            "(docs/adding.md)");
  EXPECT_EQ(
      message("group: g\ntask:\n  - one\n  - two\n"),
      "t.yaml:1: group: group files of lm-evaluation-harness are not read; name its tasks, or "
      "write a task file of demix with 'members' (docs/adding.md)");
  EXPECT_EQ(message(with("multiple_choice", "loglikelihood")),
            "t.yaml:6: doc_to_choice: output_type: loglikelihood scores the target alone, and a "
            "number would not stand for one of the choices; leave them out, or write output_type: "
            "multiple_choice");
  EXPECT_EQ(message(with("\"{{q}}\"", "!function utils.doc_to_text")),
            "t.yaml:5: doc_to_text: the Python function utils.doc_to_text cannot be run here; "
            "write a task file of demix instead (docs/adding.md)");
  EXPECT_EQ(message(with("multiple_choice", "free_text")),
            "t.yaml:3: output_type: expected multiple_choice, loglikelihood, loglikelihood_rolling "
            "or generate_until, found 'free_text'; write a task file of demix instead "
            "(docs/adding.md)");
  EXPECT_NE(message(with("{{key}}", "{{ key|tojson }}"))
                .find("t.yaml:7: doc_to_target: the filter 'tojson' of Jinja is not read here"),
            std::string::npos);
  EXPECT_EQ(
      message(with("metric: acc", "metric: f1")),
      "t.yaml:9: metric_list[0].metric: the metric 'f1' is not computed here; expected acc or "
      "acc_norm or acc_bytes");
  EXPECT_EQ(
      message(with("metric: acc", "metric: acc\n    aggregation: median")),
      "t.yaml:10: metric_list[0].aggregation: the aggregation 'median' of acc is not computed "
      "here; expected mean");
  EXPECT_EQ(message(with("doc_to_choice: [\"1\", \"0\"]\n", "")),
            "t.yaml:1: doc_to_choice: expected the choices");
  EXPECT_EQ(message(with("metric_list:", "include: other.yaml\nmetric_list:")),
            "other.yaml: no such file; expected a YAML configuration");
  EXPECT_EQ(message(with("metric_list:", "include: t.yaml\nmetric_list:")),
            "t.yaml:1: includes more than ten files");
}

TEST_F(HarnessFileTest, BlankLinesAtTheEndOfATextInQuotesAreKept) {
  folder_.write("t.jsonl", R"({"q": "why", "key": 0})");
  const std::string quoted =
      with("metric_list:", "description: 'Say\n  it.\n\n\n  '\nmetric_list:");
  EXPECT_EQ(load(quoted).items[0].contexts[0], "Say it.\n\nwhy");
}

TEST_F(HarnessFileTest, AListInAPromptIsWrittenAsPythonWritesIt) {
  folder_.write("t.jsonl", R"({"q": ["a", 1], "key": 0})");
  EXPECT_EQ(load(kFile).items[0].contexts[0], "['a', 1]");
  folder_.write("t.jsonl", R"({"q": 7, "key": 0})");
  EXPECT_EQ(message(kFile),
            "t.jsonl: row 1: t.yaml:5: doc_to_text gives '7': expected a text; several inputs are "
            "not read here");
}

TEST_F(HarnessFileTest, DescriptionsAndGeneratedPrefixesAreTemplates) {
  folder_.write("t.jsonl", R"({"q": "why", "key": 0, "s": "art"})");
  const std::string both = with("metric_list:",
                                "description: \"On {{s}}.\\n\"\ngen_prefix: 'So {{q}}'\n"
                                "num_fewshot: 1\nfewshot_config: {samples: [{q: who, key: 1}]}\n"
                                "metric_list:");
  const Item item = load(both).items[0];
  EXPECT_EQ(item.contexts[0], "On art.\nwho So who 0\n\nwhy So why");
  EXPECT_EQ(item.continuations, (std::vector<std::string>{" 1", " 0"}));
}

constexpr const char* kRolling = R"yaml(task: t
dataset_path: me/t
output_type: loglikelihood_rolling
test_split: test
description: "Read:"
doc_to_text: ""
doc_to_target: text
num_fewshot: 2
)yaml";

TEST_F(HarnessFileTest, ATextIsScoredWholeWithoutAnythingInFrontOfIt) {
  folder_.write("t.jsonl", "{\"text\": \" Two  words\\n\"}\n{\"text\": \"\"}\n");
  const Task task = load(kRolling);
  EXPECT_TRUE(task.rolls);
  EXPECT_EQ(
      task.metrics,
      (std::vector<std::string>{"word_perplexity", "byte_perplexity", "bits_per_byte", "bpb"}));
  EXPECT_EQ(task.primary_metric, "bpb");
  EXPECT_EQ(task.items[0].contexts, std::vector<std::string>{""});
  EXPECT_EQ(task.items[0].continuations, std::vector<std::string>{" Two  words\n"});
  EXPECT_EQ(task.items[0].words, 4);  // two empty ones at the ends, as re.split() has them
  EXPECT_EQ(task.items[0].bytes, std::vector<int64_t>{12});
  EXPECT_EQ(task.items[1].words, 1);
  std::string yaml = kRolling;
  EXPECT_NE(
      load(yaml.replace(yaml.find("doc_to_target: text"), 19, "doc_to_target: '{{text}}!'")).hash,
      task.hash);
  EXPECT_EQ(message(std::string(kRolling) + "metric_list: [{metric: acc}]\n"),
            "t.yaml:9: metric_list[0].metric: the metric 'acc' is not computed here; expected "
            "word_perplexity or byte_perplexity or bits_per_byte");
  EXPECT_EQ(message(std::string(kRolling) +
                    "metric_list: [{metric: bits_per_byte, aggregation: mean}]\n"),
            "t.yaml:9: metric_list[0].aggregation: the aggregation 'mean' of bits_per_byte is not "
            "computed here; expected bits_per_byte");
}

constexpr const char* kGenerated = R"yaml(task: t
dataset_path: me/t
output_type: generate_until
test_split: test
doc_to_text: "Q: {{q}}\nA:"
doc_to_target: answers
generation_kwargs:
  until: ["\n", "Q:"]
  do_sample: false
  temperature: 0.7
  max_gen_toks: 32
filter_list:
  - name: strict
    filter:
      - {function: regex, regex_pattern: "is (\\w+)"}
      - {function: take_first}
  - name: last
    filter:
      - {function: regex, regex_pattern: "\\w+", group_select: -1, fallback: none}
      - {function: uppercase}
      - {function: take_first}
metric_list:
  - metric: exact_match
    aggregation: mean
    ignore_case: true
    regexes_to_ignore: ["^the "]
)yaml";

class GeneratedHarnessTest : public HarnessFileTest {
 protected:
  GeneratedHarnessTest() { folder_.write("t.jsonl", R"({"q": "Who?", "answers": ["Me", "you"]})"); }
  Task generating(const std::string& yaml) {
    folder_.write("t.yaml", yaml);
    return load_task("t", folder_.path(), folder_.path(), {.generate = true});
  }
  static std::string with(std::string_view from, std::string_view to) {
    std::string text = kGenerated;
    return text.replace(text.find(from), from.size(), to);
  }
};

TEST_F(GeneratedHarnessTest, AnswersAreGeneratedAsTheFileSays) {
  const Task task = generating(kGenerated);
  EXPECT_EQ(task.metrics,
            (std::vector<std::string>{"bpb", "exact_match,strict", "exact_match,last"}));
  EXPECT_EQ(task.primary_metric, "bpb");
  EXPECT_EQ(task.generation->stops, (std::vector<std::string>{"\n", "Q:"}));
  EXPECT_EQ(task.generation->max_tokens, 32);
  EXPECT_EQ(task.generation->temperature, 0);  // without do_sample it means nothing
  EXPECT_EQ(task.items[0].contexts[0], "Q: Who?\nA:");
  EXPECT_EQ(task.items[0].continuations, (std::vector<std::string>{" Me"}));
  EXPECT_EQ(task.items[0].references, (std::vector<std::string>{"Me", "you"}));
  EXPECT_FALSE(load(kGenerated).generation);
}

TEST_F(GeneratedHarnessTest, FiltersAndComparisonGiveOneMetricEach) {
  const Task task = generating(kGenerated);
  const std::vector<GeneratedAnswer> answers{{0, " It is me and the YOU"}, {0, "the"}};
  const auto judged = judge_answers(task, answers);
  EXPECT_EQ(judged[0].metrics.at("exact_match,strict"), 1);
  EXPECT_EQ(judged[0].metrics.at("exact_match,last"), 1);
  EXPECT_TRUE(judged[0].right);
  EXPECT_EQ(judged[0].extracted, "YOU");
  EXPECT_EQ(judged[0].gold, "me");
  EXPECT_EQ(judged[1].metrics.at("exact_match,strict"), 0);
  EXPECT_EQ(judged[1].extracted, "THE");
}

TEST_F(GeneratedHarnessTest, OtherFiltersAreAnotherTask) {
  const std::string hash = generating(kGenerated).hash;
  EXPECT_EQ(generating(kGenerated).hash, hash);
  EXPECT_NE(generating(with("^the ", "^a ")).hash, hash);
  EXPECT_NE(generating(with("is (", "was (")).hash, hash);
  EXPECT_NE(generating(with("fallback: none", "fallback: no")).hash, hash);
}

TEST_F(GeneratedHarnessTest, WithoutFiltersAndStopsTheHarnesssDefaultsHold) {
  const std::string text = kGenerated;
  const size_t begin = text.find("generation_kwargs"), end = text.find("metric_list");
  const Task task = generating(text.substr(0, begin) + text.substr(end));
  EXPECT_EQ(task.generation->stops, std::vector<std::string>{"\n\n"});
  EXPECT_EQ(task.generation->max_tokens, 256);
  EXPECT_EQ(task.metrics, (std::vector<std::string>{"bpb", "exact_match"}));
}

TEST_F(GeneratedHarnessTest, AnswersAreDrawnWhereTheFileDraws) {
  const Task task = generating(with("do_sample: false", "do_sample: true\n  top_p: 0.9"));
  EXPECT_EQ(task.generation->temperature, 0.7);
  EXPECT_EQ(task.generation->top_p, 0.9);
}

TEST_F(GeneratedHarnessTest, WhatCannotBeHonouredIsRefusedByName) {
  const auto starts = [&](std::string_view from, std::string_view to, std::string_view expected) {
    const std::string found = message(with(from, to));
    EXPECT_TRUE(found.starts_with(expected)) << found;
  };
  starts("temperature: 0.7",
         "num_beams: 4",
         "t.yaml:10: generation_kwargs.num_beams: expected 1, found 4");
  starts("temperature: 0.7",
         "repetition_penalty: 1.1",
         "t.yaml:10: generation_kwargs.repetition_penalty: 'repetition_penalty' of "
         "generation_kwargs is not read here; known are until, max_gen_toks");
  starts("do_sample: false\n  temperature: 0.7",
         "do_sample: true",
         "t.yaml:9: generation_kwargs.do_sample: drawing needs a temperature above 0");
  starts("max_gen_toks: 32",
         "max_gen_toks: 0",
         "t.yaml:11: generation_kwargs.max_gen_toks: expected at least 1, found 0");
  starts("{function: uppercase}",
         "{function: majority_vote}",
         "t.yaml:20: filter_list[1].filter[1].function: the filter 'majority_vote' is not read "
         "here; known are regex, multi_choice_regex");
  starts("{function: uppercase}",
         "{function: !function utils.F}",
         "t.yaml:20: filter_list[1].filter[1].function: the Python function utils.F cannot be run");
  starts("      - {function: uppercase}\n      - {function: take_first}",
         "      - {function: uppercase}",
         "t.yaml:20: filter_list[1].filter[1].function: expected take_first as the last filter");
  starts("is (\\\\w+)",
         "(a)\\\\1",
         "t.yaml:15: filter_list[0].filter[0].regex_pattern: the expression '(a)\\1', character "
         "5: a reference to a group is not read here");
  starts("name: last", "name: strict", "t.yaml:17: filter_list[1]: two filters of one name");
  starts("ignore_case: true",
         "ignore_cases: true",
         "t.yaml:25: metric_list[0].ignore_cases: 'ignore_cases' is not read here; known are");
  starts("metric: exact_match",
         "metric: bleu",
         "t.yaml:23: metric_list[0].metric: the metric 'bleu' is not computed here; expected "
         "exact_match");
  starts("metric_list:",
         "repeats: 8\nmetric_list:",
         "t.yaml:22: repeats: expected 1, found 8; several answers are drawn with --answers");
  starts("metric_list:",
         "process_results: !function utils.f\nmetric_list:",
         "t.yaml:22: process_results: 'process_results' of lm-evaluation-harness is not read here");
}

TEST_F(GeneratedHarnessTest, ChoicesThatAFilterLooksForAreTheRows) {
  const std::string yaml = with("{function: regex, regex_pattern: \"is (\\\\w+)\"}",
                                "{function: multi_choice_regex, ignore_case: true}");
  folder_.write("t.jsonl", R"json({"q": "Who?", "answers": "(B)", "choices": ["Me", "You"]})json");
  const Task task = generating(yaml);
  EXPECT_EQ(task.items[0].named_choices, (std::vector<std::string>{"Me", "You"}));
  const auto judged = judge_answers(task, std::vector<GeneratedAnswer>{{0, "you"}});
  EXPECT_EQ(judged[0].metrics.at("exact_match,strict"), 1);
  EXPECT_NE(generating(with("{function: regex, regex_pattern: \"is (\\\\w+)\"}",
                            "{function: multi_choice_regex}"))
                .hash,
            task.hash);
  folder_.write("t.jsonl", R"json({"q": "Who?", "answers": "(B)", "choices": "Me"})json");
  try {
    generating(yaml);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find("t.jsonl: row 1: multi_choice_regex ("),
              std::string::npos)
        << error.what();
  }
}

TEST_F(HarnessFileTest, MessagesAreShortAndPlainWhateverATaskFileHolds) {
  const std::string ours = "domain: a\ndata: x\ncontext: c\nanswer: b\nmetrics: [bpb]\n";
  const std::string longest(5000, 'a');
  const std::vector<std::string> texts{ours + "primary_metric: \"bpb\\b\"",
                                       ours + "primary_metric: " + longest,
                                       ours + "context_transforms: [\"before\\a\"]",
                                       ours + "average: \"\\e\"",
                                       "domain: a\ndata: x\ncontext: \"\\a}\"\nanswer: b",
                                       with("me/t", "me/t\ninclude: " + longest),
                                       with("multiple_choice", longest),
                                       with("acc", "\"\\a\""),
                                       with("{{key}}", "{{\\a}}")};
  for (const std::string& text : texts) {
    const std::string found = message(text);
    EXPECT_NE(found, "no error");
    EXPECT_LT(found.size(), 800u) << found;
    for (const char c : found) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << found;
  }
}

}  // namespace
}  // namespace demix
