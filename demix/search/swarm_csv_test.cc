#include "demix/search/swarm_csv.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

constexpr const char* kMixtures = "index,train_a,train_b\n1,0.25,0.75\n2,0.5,0.5\n";
constexpr const char* kScores = "index,loss a, loss b\n2,3.5,4\n1,3,4.25\n";

std::string message_of(std::string_view mixtures, std::string_view scores) {
  try {
    parse_swarm(mixtures, "m.csv", scores, "s.csv");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(SwarmCsv, NumberedRowsOfRegMixAreJoinedByTheirFirstColumn) {
  const Swarm swarm = parse_swarm(kMixtures, "m.csv", kScores, "s.csv");
  EXPECT_EQ(swarm.runs, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(swarm.datasets, (std::vector<std::string>{"train_a", "train_b"}));
  EXPECT_EQ(swarm.metrics, (std::vector<std::string>{"loss a", "loss b"}));
  EXPECT_EQ(swarm.mixtures.row(0)[1], 0.75);
  EXPECT_EQ(swarm.scores[0], (std::vector<double>{3, 3.5}));
  EXPECT_EQ(swarm.scores[1], (std::vector<double>{4.25, 4}));
  EXPECT_TRUE(swarm.warnings.empty());
}

TEST(SwarmCsv, OlmixFilesWithQuotesAndWindowsLineEndsAreReadAsTheyAre) {
  const Swarm swarm = parse_swarm(
      "\xEF\xBB\xBFrun,name,index,dclm,\"wiki, en\"\r\nhz0,\"my "
      "\"\"swarm\"\"\",0,0.45,0.55\r\npj0,b,1,1,0\r\n",
      "ratios.csv",
      "run,name,index,arc_bpb\r\npj0,b,0,1.15\r\nhz0,a,1,1.23\r\n\r\n",
      "metrics.csv");
  EXPECT_EQ(swarm.datasets, (std::vector<std::string>{"dclm", "wiki, en"}));
  EXPECT_EQ(swarm.metrics, (std::vector<std::string>{"arc_bpb"}));
  EXPECT_EQ(swarm.scores[0], (std::vector<double>{1.23, 1.15}));
}

TEST(SwarmCsv, AnUnnamedIndexBesideTheRunIsNoData) {
  const Swarm swarm =
      parse_swarm(",run_id,a,b\n0,x,0.5,0.5\n", "m.csv", ",run_id,s\n0,x,1e-3\n", "s.csv");
  EXPECT_EQ(swarm.runs, (std::vector<std::string>{"x"}));
  EXPECT_EQ(swarm.datasets.size(), 2u);
  EXPECT_EQ(swarm.scores[0][0], 1e-3);
}

TEST(SwarmCsv, TabsAndSemicolonsSeparateToo) {
  const Swarm swarm = parse_swarm("run;\"a;b\";c,d\nx;0.25;0.75\ny;1;0\n",
                                  "m.csv",
                                  "run\ts, t\ts_stderr\nx\t1\t0.5\ny\t2\t0.25\n",
                                  "s.tsv");
  EXPECT_EQ(swarm.datasets, (std::vector<std::string>{"a;b", "c,d"}));
  EXPECT_EQ(swarm.mixtures.row(0)[1], 0.75);
  EXPECT_EQ(swarm.scores[0], (std::vector<double>{1, 2}));
}

TEST(SwarmCsv, RowsThatDoNotSumToOneAreNamedWithWhatMayBeWrong) {
  EXPECT_EQ(message_of("index,a,b\n1,25,75\n", kScores),
            "m.csv:2: the shares sum to 100, expected 1 (within 0.01); they look like percentages: "
            "divide them by 100");
  EXPECT_EQ(
      message_of("a,b,c\n0.5,0.25,0.25\n", kScores),
      "m.csv:2: the shares sum to 0.5, expected 1 (within 0.01); with column 'a', which was "
      "taken for the runs' names, they do: put a column that names the runs in front, in both "
      "files");
  EXPECT_EQ(
      message_of("index,a,b,tokens\n1,0.5,0.5,1000\n", kScores),
      "m.csv:2: the shares sum to 1001, expected 1 (within 0.01); 'tokens' is 1000: is it a "
      "dataset's share? Only columns named run, run_id, name or index, and the first one, are "
      "left out");
}

TEST(SwarmCsv, RoundedRowsAreRescaledWithAWarning) {
  const Swarm swarm = parse_swarm("index,a,b\n1,0.3,0.697\n", "m.csv", "index,s\n1,2\n", "s.csv");
  EXPECT_NEAR(swarm.mixtures.row(0)[0], 0.3 / 0.997, 1e-15);
  ASSERT_EQ(swarm.warnings.size(), 1u);
  EXPECT_EQ(swarm.warnings[0], "m.csv: rows sum to one within 0.003 only and were rescaled.");
}

TEST(SwarmCsv, RunsInOneFileOnlyAreLeftOutWithAWarning) {
  const Swarm swarm = parse_swarm(kMixtures, "m.csv", "index,s\n2,1\n7,1\n8,1\n", "s.csv");
  EXPECT_EQ(swarm.runs, (std::vector<std::string>{"2"}));
  ASSERT_EQ(swarm.warnings.size(), 2u);
  EXPECT_EQ(swarm.warnings[0],
            "1 of the 2 runs of m.csv are not in s.csv and were left out, the first is '1'.");
  EXPECT_EQ(swarm.warnings[1],
            "2 of the 3 runs of s.csv are not in m.csv and were left out, the first is '7'.");
}

TEST(SwarmCsv, ProblemsAreNamedByFileLineAndColumn) {
  EXPECT_EQ(message_of("index,a,b\n1,0.5,x\n", kScores),
            "m.csv:2: column 'b': 'x', expected a finite number");
  EXPECT_EQ(message_of(kMixtures, "index,s\n1,2\n2,nan\n"),
            "s.csv:3: column 's': 'nan', expected a finite number");
  EXPECT_EQ(message_of(kMixtures, "index,s\n1,2\n2,\n"),
            "s.csv:3: column 's': no value, expected a number");
  EXPECT_EQ(message_of("index,a,b\n1,0.5,0.5\n2,0.5\n", kScores),
            "m.csv:3: 2 fields, but the header has 3");
  EXPECT_EQ(message_of("index,a,b\n1,0.5,0.4\n", kScores),
            "m.csv:2: the shares sum to 0.9, expected 1 (within 0.01)");
  EXPECT_EQ(message_of("index,a,b\n1,1.5,-0.5\n", kScores),
            "m.csv:2: column 'b': the share is -0.5, expected 0 or more");
  EXPECT_EQ(message_of("index,a,b\n1,1,0\n\n1,0,1\n", kScores),
            "m.csv:4: run '1' comes twice, first in line 2");
  EXPECT_EQ(message_of("index,a,a\n1,1,0\n", kScores), "m.csv:1: column 'a' comes twice");
  EXPECT_EQ(message_of("", kScores), "m.csv: empty, expected a header and a row per run");
  EXPECT_EQ(message_of("index,a\n", kScores), "m.csv: a header without rows");
  EXPECT_EQ(message_of("index\n1\n", kScores),
            "m.csv:1: no column of data beside the run's labels; the header is 'index'");
  EXPECT_EQ(message_of("index,a\n9,1\n", kScores),
            "no run of m.csv is in s.csv; the first runs are '9' and '2'");
  EXPECT_EQ(message_of("index,\"a\n1,1\n", kScores), "m.csv:1: a quoted field is never closed");
  EXPECT_EQ(message_of("index,\"a\"b\n1,1\n", kScores),
            "m.csv:1: text after the closing quote of a field");
}

TEST(SwarmCsv, StandardErrorsStandBesideTheirMetric) {
  const Swarm swarm = parse_swarm(
      kMixtures, "m.csv", "run,acc,acc_stderr,odd_stderr\n1,0.5,0.01,3\n2,0.6,0.02,4\n", "s.csv");
  EXPECT_EQ(swarm.metrics, (std::vector<std::string>{"acc", "odd_stderr"}));
  EXPECT_EQ(swarm.standard_errors[0], (std::vector<double>{0.01, 0.02}));
  EXPECT_TRUE(swarm.standard_errors[1].empty());
  EXPECT_EQ(message_of(kMixtures, "run,acc,acc_stderr\n1,0.5,-1\n2,0.5,1\n"),
            "s.csv:2: column 'acc_stderr': the standard error is -1, expected 0 or more");
}

TEST(SwarmCsv, AMissingFileIsNamed) {
  EXPECT_THROW(read_swarm("/nonexistent/m.csv", "/nonexistent/s.csv"), Error);
}

}  // namespace
}  // namespace demix
