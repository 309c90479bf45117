#include "demix/evaluate/external_evaluator.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "demix/core/files.h"
#include "tests/message_of.h"
#include "tests/processes.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

class ExternalEvaluator : public testing::Test {
 protected:
  ExternalScores scored(const std::string& command, double seconds = 20) const {
    return score_externally({command, seconds, 7, "cpu", {{"quiz", "acc"}}},
                            "proxy 3",
                            folder_ / "mod el",
                            folder_ / "scores.json",
                            folder_ / "log");
  }
  // Of a command that writes `json`.
  std::string complaint(const std::string& json) const {
    write_file_atomically(folder_ / "given.json", json);
    return message_of(
        [&] { scored("cp '" + (folder_ / "given.json").string() + "' {output} # {model}"); });
  }
  void expect_complaint(const std::string& json, const std::string& part) const {
    const std::string text = complaint(json);
    EXPECT_NE(text.find("proxy 3: the scores of the evaluation command cannot be used"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }

  TemporaryFolder folder_;
};

TEST_F(ExternalEvaluator, GetsTheModelAndGivesScores) {
  const ExternalScores result = scored(
      "echo '[{{\"task\": \"quiz\", \"metric\": \"acc\", \"value\": 0.5, \"stderr\": 0.1, \"n\": "
      "9}},"
      "{{\"task\": \"quiz\", \"metric\": \"f1\", \"value\": 0.25, \"items\": [0, 0.5]}},"
      "{{\"task\": \"other\", \"metric\": \"loss\", \"value\": -3e2, \"stderr\": null}}]' > "
      "{output}; "
      "echo {model} {name} {seed}");
  const auto& quiz = result.scores.tasks.at("quiz");
  EXPECT_EQ(quiz.at("acc").value, 0.5);
  EXPECT_EQ(quiz.at("acc").stderr_, 0.1);
  EXPECT_EQ(quiz.at("acc").n, 9);
  EXPECT_EQ(quiz.at("f1").n, 2);
  EXPECT_DOUBLE_EQ(quiz.at("f1").stderr_, 0.25);
  EXPECT_EQ(result.terms.at("quiz").at("f1").x, (std::vector<double>{0, 0.5}));
  EXPECT_FALSE(result.terms.at("quiz").contains("acc"));
  EXPECT_EQ(result.scores.tasks.at("other").at("loss").value, -300);
  EXPECT_TRUE(std::isnan(result.scores.tasks.at("other").at("loss").stderr_));
  EXPECT_EQ(folder_.read("log"), (folder_ / "mod el").string() + " proxy 3 7\n");
}

TEST_F(ExternalEvaluator, AFailingCommandIsNamedWithItsLastWords) {
  const std::string text =
      message_of([&] { scored("echo no such model: {model} {output}; exit 3"); });
  EXPECT_NE(text.find("proxy 3: the evaluation command ended with exit status 3: echo"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("last lines of " + (folder_ / "log").string() + ":\nno such model: "),
            std::string::npos)
      << text;
  EXPECT_NE(message_of([&] {
              scored("kill -SEGV $$; : {model} {output}");
            }).find("was killed by signal 11"),
            std::string::npos);
  EXPECT_NE(message_of([&] { scored(": {model} {output}"); }).find("did not write {output}"),
            std::string::npos);
}

TEST_F(ExternalEvaluator, ACommandThatTakesTooLongIsStoppedWithAllItStarted) {
  const auto start = std::chrono::steady_clock::now();
  const std::string text =
      message_of([&] { scored("sleep 60 & echo $! > {output}; echo {model}; wait", 0.5); });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_NE(text.find("was stopped after 0.5 s (evaluate.command_seconds)"), std::string::npos)
      << text;
  const pid_t sleeper = std::stoi(folder_.read("scores.json"));
  EXPECT_TRUE(ends_soon(sleeper));
}

TEST_F(ExternalEvaluator, ScoresThatAreNoneAreRefused) {
  expect_complaint("{", "not valid JSON");
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": NaN}])", "NaN and Infinity");
  expect_complaint(R"({"acc": 1})", "scores.json: expected a list of scores");
  expect_complaint("[1]", "scores.json: score 1: expected a map");
  expect_complaint("[]", "no score quiz:acc, which evaluate.domains names; there is none");
  expect_complaint(R"([{"task": "quiz", "metric": "f1", "value": 1}])",
                   "no score quiz:acc, which evaluate.domains names; there are quiz:f1");
  expect_complaint(R"([{"metric": "acc", "value": 1}])",
                   "score 1: expected a text as 'task', found none");
  expect_complaint(R"([{"task": "quiz", "metric": "acc"}])",
                   "score 1 (quiz:acc): expected a finite number as 'value', found none");
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": null}])",
                   "expected a finite number as 'value', found null");
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": "0.5"}])",
                   "value: expected a number, found \"0.5\"");
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": 1, "stderr": -1}])",
                   "stderr: expected 0 or more, found -1");
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": 1, "error": 1}])",
                   "unknown key 'error'; known are task, metric, value, stderr, n, items");
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": 1, "items": [0, 1]}])",
                   "the mean of 'items' is 0.5, but 'value' is 1");
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": 1},
                       {"task": "quiz", "metric": "acc", "value": 1}])",
                   "score 2 (quiz:acc): is there twice");
}

TEST_F(ExternalEvaluator, NumbersWhoseSquaresOverflowAreNoScores) {
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": -1e155}])",
                   "score 1 (quiz:acc): value: -1e+155 is no score, expected at most 1e+100 in");
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": 1, "stderr": 1e200}])",
                   "stderr: 1e+200 is no score");
  expect_complaint(R"([{"task": "quiz", "metric": "acc", "value": 0, "items": [1e200, -1e200]}])",
                   "items: 1e+200 is no score");
}

TEST_F(ExternalEvaluator, AllModelsHaveTheSameItems) {
  const ExternalEvaluation evaluation{
      "echo '[{{\"task\": \"quiz\", \"metric\": \"acc\", \"value\": 1, \"items\": '{name}'}}]' > "
      "{output}; : {model}",
      20,
      7,
      "cpu",
      {{"quiz", "acc"}}};
  const auto score = [&](const std::string& items) {
    score_externally(evaluation, items, folder_ / "m", folder_ / "scores.json", folder_ / "log");
  };
  score("[0, 2]");
  score("[1, 1]");
  EXPECT_MENTIONS(message_of([&] { score("[1]"); }),
                  "quiz:acc has 1 items of [1], but 2 of [0, 2]: expected the same items");
}

TEST(EvaluationCommand, NeedsTheModelAndTheOutput) {
  check_evaluation_command("run {model} {name} {seed} {device} > {output}");
  EXPECT_EQ(message_of([] { check_evaluation_command("run {model}"); }),
            "command: expected {output} in: run {model}");
  EXPECT_NE(message_of([] {
              check_evaluation_command("run {modle} {output}");
            }).find("unknown placeholder '{modle}'"),
            std::string::npos);
}

}  // namespace
}  // namespace demix
