#include "demix/evaluate/judge.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/evaluate/sandbox.h"
#include "demix/evaluate/task_file.h"

namespace demix {
namespace {

Task task_of(const std::string& judge, const std::vector<Item>& items) {
  Task task;
  task.name = "quiz";
  task.items = items;
  task.generation = TaskGeneration{.stops = {}, .max_tokens = 64, .judge = judge};
  return task;
}

Item item_of(std::string reference, std::string program = "") {
  Item item;
  item.id = "0";
  item.references = {std::move(reference)};
  item.program = std::move(program);
  return item;
}

TEST(Judge, Gsm8kTakesTheMarkedAnswerOrTheLastNumber) {
  const Item item = item_of("6*7=<<6*7=42>>42\n#### 1,042");
  const std::vector<GeneratedAnswer> generated = {
      {0, "so 42.\n#### 1042"}, {1, "It is $1,042"}, {1, "#### 42"}};
  const auto judged = judge_answers(task_of("gsm8k", {item, item}), generated);
  EXPECT_EQ(judged[0].gold, "1042");
  EXPECT_EQ(judged[0].metrics.at("exact_match"), 1);
  EXPECT_TRUE(judged[0].right);
  EXPECT_FALSE(judged[1].right);
  EXPECT_EQ(judged[1].metrics.at("exact_match"), 0);
  EXPECT_EQ(judged[1].metrics.at("exact_match_flexible"), 1);
  EXPECT_EQ(judged[1].extracted, "$1,042");
  EXPECT_EQ(judged[2].metrics.at("exact_match_flexible"), 0);
}

TEST(Judge, MathTakesTheFinalSentenceOrTheBox) {
  const Item item = item_of("We get $\\boxed{\\frac{1}{2}}$.");
  const std::vector<GeneratedAnswer> generated = {
      {0, "Final Answer: The final answer is $0.5$. I hope it is correct."},
      {0, "So it is $\\boxed{\\frac12}$."},
      {0, "Final Answer: The final answer is $2$. I hope it is correct."}};
  const auto judged = judge_answers(task_of("math", {item}), generated);
  EXPECT_EQ(judged[0].metrics.at("exact_match"), 1);
  EXPECT_EQ(judged[1].metrics.at("exact_match"), 0);
  EXPECT_EQ(judged[1].metrics.at("exact_match_flexible"), 1);
  EXPECT_EQ(judged[2].metrics.at("exact_match_flexible"), 0);
}

TEST(Judge, ProgramsRunBetweenTheirPromptAndTheirTest) {
  if (const std::string problem = sandbox_problem(); !problem.empty()) GTEST_SKIP() << problem;
  const Item item = item_of("\nassert add(2, 3) == 5", "def add(a, b):\n");
  const std::vector<GeneratedAnswer> generated = {{0, "    return a + b\n"},
                                                  {0, "    return a - b\n"}};
  const auto judged = judge_answers(task_of("program", {item}), generated);
  EXPECT_TRUE(judged[0].right);
  EXPECT_FALSE(judged[1].right);
  EXPECT_EQ(judged[0].metrics.at("pass@1"), 1);
  EXPECT_EQ(judged[0].extracted, "passed");
  EXPECT_EQ(judged[1].metrics.at("pass@1"), 0);
  EXPECT_EQ(judged[1].extracted, "failed");
}

TEST(Judge, NamesWhatItKnows) {
  EXPECT_EQ(judge_names(), (std::vector<std::string>{"gsm8k", "math", "program"}));
  GenerationConfig config;
  config.judge = "program";
  EXPECT_EQ(judged_metrics(config), std::vector<std::string>{"pass@1"});
  config.judge = "oracle";
  EXPECT_THROW(judged_metrics(config), Error);
  config.judge = kFilterJudge;
  config.rules.pipelines = {{"exact_match", {}}, {"exact_match,x", {}}};
  EXPECT_EQ(judged_metrics(config), (std::vector<std::string>{"exact_match", "exact_match,x"}));
}

}  // namespace
}  // namespace demix
