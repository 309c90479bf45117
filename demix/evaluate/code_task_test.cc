#include "demix/evaluate/code_task.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "demix/evaluate/sandbox.h"

namespace demix {
namespace {

const char* kPrompt = "def twice(x):\n    \"\"\"Twice x.\"\"\"\n";
const char* kTest = "def check(candidate):\n    assert candidate(2) == 4\n";
const std::array<std::string, 2> kAssertions{"assert twice(2) == 4", "assert twice(ONE) == 2"};

TEST(CodeTask, ProgramsAreJoinedAsInTheHarness) {
  EXPECT_EQ(humaneval_program("P", "C", "T", "f"), "PC\nT\ncheck(f)");
  EXPECT_EQ(mbpp_program("C", kAssertions), "C\nassert twice(2) == 4\nassert twice(ONE) == 2");
  EXPECT_EQ(mbpp_program("C", std::array<std::string, 1>{"T"}, "S"), "C\nS\nT");
}

TEST(CodeTask, CodeEndsAtTheFence) {
  EXPECT_EQ(before_code_fence("x = 1\n```\nThis sets x."), "x = 1\n");
  EXPECT_EQ(before_code_fence("x = 1"), "x = 1");
}

TEST(CodeTask, RightCompletionsPassAndWrongOnesFail) {
  if (const std::string problem = sandbox_problem(); !problem.empty()) {
    std::fprintf(stderr, "NOT TESTED: %s\n", problem.c_str());
    GTEST_SKIP() << problem;
  }
  const auto outcome = [](const std::string& program) { return run_program(program).outcome; };
  const auto humaneval = [&](const char* completion) {
    return outcome(humaneval_program(kPrompt, completion, kTest, "twice"));
  };
  EXPECT_EQ(humaneval("    return 2 * x\n"), Outcome::kPassed);
  EXPECT_EQ(humaneval("    return x + 1\n"), Outcome::kFailed);
  EXPECT_EQ(humaneval("    return\nquit()\n"), Outcome::kFailed);
  const char* code = "def twice(x): return x + x";
  EXPECT_EQ(outcome(mbpp_program(code, kAssertions, "ONE = 1")), Outcome::kPassed);
  EXPECT_EQ(outcome(mbpp_program(code, kAssertions)), Outcome::kFailed);
}

}  // namespace
}  // namespace demix
