// Made-up answers and the verdicts of lm-evaluation-harness 0.4.13 on them: tests/data/evaluate/
// answers.jsonl, by tools/parity/answers.py.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "demix/core/json.h"
#include "demix/evaluate/answer_filters.h"
#include "demix/evaluate/judge.h"
#include "demix/evaluate/math_answer.h"
#include "demix/evaluate/math_equal.h"

namespace demix {
namespace {

std::vector<Json> rows_of_kind(std::string_view kind) {
  std::ifstream file(std::filesystem::path(DEMIX_SOURCE_DIR) / "tests/data/evaluate/answers.jsonl");
  std::vector<Json> rows;
  for (std::string line; std::getline(file, line);)
    if (Json row = Json::parse(line); row.at("kind") == kind) rows.push_back(std::move(row));
  return rows;
}

TEST(AnswersParity, Gsm8kIsJudgedAsByTheHarness) {
  const std::vector<Json> rows = rows_of_kind("gsm8k");
  ASSERT_GE(rows.size(), 100U);
  const AnswerComparison comparison(gsm8k_rules());
  int right = 0;
  for (const Json& row : rows) {
    const std::string generated = row.at("generated"), gold = row.at("gold");
    const Json& harness = row.at("harness");
    const auto verdicts = comparison.compare(generated, std::vector{gold});
    EXPECT_EQ(verdicts[0].extracted, harness.at("strict")) << generated;
    EXPECT_EQ(verdicts[1].extracted, harness.at("flexible")) << generated;
    EXPECT_EQ(verdicts[0].right, harness.at("strict_match")) << generated;
    EXPECT_EQ(verdicts[1].right, harness.at("flexible_match")) << generated;
    right += harness.at("flexible_match").get<bool>() ? 1 : 0;
  }
  EXPECT_GT(right, 20);
}

TEST(AnswersParity, MathIsJudgedAsByTheHarness) {
  const std::vector<Json> rows = rows_of_kind("math");
  ASSERT_GE(rows.size(), 400U);
  int right = 0;
  for (const Json& row : rows) {
    const std::string generated = row.at("generated");
    const Json& harness = row.at("harness");
    const std::string answer = normalized_math_answer(generated_math_answer(generated));
    const std::string gold =
        normalized_math_answer(*boxed_math_answer(row.at("gold").get<std::string>()));
    EXPECT_EQ(answer, harness.at("answer")) << generated;
    EXPECT_EQ(gold, harness.at("gold")) << generated;
    EXPECT_EQ(math_exact_match(answer, gold), harness.at("exact_match"))
        << answer << " for " << gold;
    right += harness.at("exact_match").get<bool>() ? 1 : 0;
  }
  EXPECT_GT(right, 100);
}

}  // namespace
}  // namespace demix
