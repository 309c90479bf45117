#include "demix/evaluate/harness_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/evaluate/task.h"
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
  EXPECT_EQ(answer.metrics, (std::vector<std::string>{"perplexity", "bpb"}));
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
  EXPECT_EQ(message(with("\"{{q}}\"", "!function utils.doc_to_text")),
            "t.yaml:5: doc_to_text: the Python function utils.doc_to_text cannot be run here; "
            "write a task file of demix instead (docs/adding.md)");
  EXPECT_EQ(message(with("multiple_choice", "generate_until")),
            "t.yaml:3: output_type: expected multiple_choice or loglikelihood, found "
            "'generate_until'; write a task file of demix instead (docs/adding.md)");
  EXPECT_EQ(message(with("{{key}}", "{{ (label|int) - 1 }}")),
            "t.yaml:7: doc_to_target: '{{ (label|int) - 1 }}' is beyond the part of Jinja that is "
            "read here: fields, members, elements, trim, capitalize, strip(), lstrip(), lists and "
            "index(); write a task file of demix instead (docs/adding.md)");
  EXPECT_NE(
      message(with("metric: acc", "metric: f1")).find("t.yaml:9: metric_list: unknown metric"),
      std::string::npos);
  EXPECT_EQ(message(with("doc_to_choice: [\"1\", \"0\"]\n", "")),
            "t.yaml:1: doc_to_choice: expected the choices");
  EXPECT_EQ(message(with("metric_list:", "include: other.yaml\nmetric_list:")),
            "other.yaml: no such file; expected a YAML configuration");
  EXPECT_EQ(message(with("metric_list:", "include: t.yaml\nmetric_list:")),
            "t.yaml:1: includes more than ten files");
}

}  // namespace
}  // namespace demix
