#include "demix/evaluate/answers.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/plan.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

const fs::path kData = fs::path(DEMIX_SOURCE_DIR) / "tests/data/evaluate";

TEST(AnswerRoom, AnswersHaveAllOfTheirTokensWherePromptsAreLeftSome) {
  const AnswerRoom room = answer_room(500, 256, 512);
  EXPECT_EQ(room.prompt_tokens, 256);
  EXPECT_EQ(room.answer_tokens, 256);
}

TEST(AnswerRoom, AnswersThatFillTheModelAreShortenedInstead) {
  const AnswerRoom of_short_prompt = answer_room(100, 1024, 1024);
  EXPECT_EQ(of_short_prompt.prompt_tokens, 100);
  EXPECT_EQ(of_short_prompt.answer_tokens, 924);
  const AnswerRoom of_long_prompt = answer_room(900, 1024, 1024);
  EXPECT_EQ(of_long_prompt.prompt_tokens, 512);
  EXPECT_EQ(of_long_prompt.answer_tokens, 512);
}

TEST(AnswerPlan, KeepsThePromptsEndAndSaysWhatItCuts) {
  const Tokenizer tokenizer = Tokenizer::load(kData / "llama");
  Task task;
  task.name = "cut";
  task.generation = TaskGeneration{.max_tokens = 30, .judge = "gsm8k", .answers = 2};
  for (const char* context :
       {"Short.", "A question with far more words than the model can read."}) {
    Item item;
    item.id = std::to_string(task.items.size());
    item.contexts = {context};
    task.items.push_back(item);
  }
  AnswerPlan plan({2}, 1);
  plan.add(task, tokenizer, 24);
  ASSERT_EQ(plan.requests().size(), 4u);
  const auto all = tokenizer.encode(task.items[1].contexts[0]);
  ASSERT_GT(all.size(), 12u);
  const GenerationRequest& cut = plan.requests()[3];
  EXPECT_EQ(cut.answer, 1);
  EXPECT_EQ(cut.prompt, std::vector<int32_t>(all.end() - 12, all.end()));
  EXPECT_EQ(cut.max_tokens, 12);
  const auto& whole = plan.requests()[0];
  EXPECT_EQ(whole.prompt, tokenize_prompt(tokenizer, "Short.", 24, ""));
  EXPECT_EQ(whole.max_tokens, 24 - static_cast<int64_t>(whole.prompt.size()));
  const auto said = warnings();
  ASSERT_GE(said.size(), 2u);
  EXPECT_EQ(said[said.size() - 2],
            "Task cut: answers of up to 30 tokens do not fit into the 24 that the model reads "
            "beside a prompt; they end where those end, after 12 tokens or more.");
  EXPECT_EQ(
      said.back(),
      "Task cut: the prompts of 1 of 2 items are cut from the left, so that their answers fit "
      "into the 24 tokens that the model reads.");
}

}  // namespace
}  // namespace demix
