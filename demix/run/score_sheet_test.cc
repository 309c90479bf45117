#include "demix/run/score_sheet.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/message_of.h"

namespace demix {
namespace {

ScoredMetric metric(const std::string& domain, const std::string& task) {
  return {{task + ":acc", domain, true}, task, "acc", true};
}

Scores scores(double quiz, double quiz_error, double chat) {
  Scores scores;
  scores.tasks["quiz"]["acc"] = {quiz, quiz_error, 10};
  scores.tasks["chat"]["acc"] = {chat, kUnknown, 0};
  return scores;
}

// An evaluator of one's own need not say how exact its scores are.
TEST(ScoreSheet, AnErrorThatIsNotKnownIsNotZero) {
  const ScoreSheet sheet({metric("a", "quiz"), metric("b", "chat")});
  const ModelScores less = sheet.of(scores(0.5, 0.03, 0.2), "less");
  const ModelScores more = sheet.of(scores(0.6, 0.04, 0.4), "more");
  ASSERT_EQ(less.domains.size(), 2u);
  EXPECT_DOUBLE_EQ(less.domains[0].standard_error, 0.03);
  EXPECT_DOUBLE_EQ(less.domains[1].value, 0.2);
  EXPECT_TRUE(std::isnan(less.domains[1].standard_error));

  const TermsByMetric none;
  const ModelScores gain = sheet.gain({none, less}, {none, more});
  EXPECT_NEAR(gain.domains[0].value, 0.1, 1e-12);
  EXPECT_NEAR(gain.domains[0].standard_error, 0.05, 1e-12);
  EXPECT_NEAR(gain.domains[1].value, 0.2, 1e-12);
  EXPECT_TRUE(std::isnan(gain.domains[1].standard_error));  // no evidence of a difference
}

TEST(ScoreSheet, OtherItemsOfAnotherModelAreNamedWithTheirScore) {
  const ScoreSheet sheet({metric("a", "quiz")});
  const TermsByMetric six = {{"quiz", {{"acc", {{0, 1, 0, 1, 0, 1}, {1, 1, 1, 1, 1, 1}}}}}},
                      four = {{"quiz", {{"acc", {{0, 1, 0, 1}, {1, 1, 1, 1}}}}}};
  const ModelScores half = sheet.of(scores(0.5, 0.1, 0), "half");
  EXPECT_MENTIONS(
      message_of([&] { sheet.gain({six, half}, {four, half}); }),
      "evaluate.command: gave quiz:acc with 6 items of one model and with 4 of another");
}

}  // namespace
}  // namespace demix
