#include "demix/search/swarm_csv.h"

#include <gtest/gtest.h>

#include <algorithm>

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

TEST(SwarmCsv, TokenCountsAreSharesOfTheirSumWhereRowsAreRescaled) {
  const Swarm swarm = parse_swarm("run,tokens,web,code,note\nx,4,3e9,1e9,hot\ny,9,0,2.5e12,cold\n",
                                  "m.csv",
                                  "run,loss\nx,3\ny,2\n",
                                  "s.csv",
                                  {.rescale_rows = true});
  EXPECT_EQ(swarm.datasets, (std::vector<std::string>{"web", "code"}));
  EXPECT_EQ(swarm.mixtures.row(0)[0], 0.75);
  EXPECT_EQ(swarm.mixtures.row(1)[1], 1);
  ASSERT_EQ(swarm.warnings.size(), 2u);
  EXPECT_EQ(swarm.warnings[0], "m.csv: column 'note' was left out as no dataset: no number is in.");
  EXPECT_EQ(swarm.warnings[1],
            "m.csv: column 'tokens' was left out as no dataset: named like what runs are made "
            "with.");
}

TEST(SwarmCsv, TokenCountsAreToldFromSharesThatMissOne) {
  EXPECT_EQ(message_of("run,web,code\nx,3e9,1e9\ny,2e9,5e9\n", "run,loss\nx,3\ny,2\n"),
            "m.csv:2: the shares sum to 4e+09, expected 1 (within 0.01); most of them lie above 1: "
            "if they are token counts or other weights, demix fit --rescale-rows divides each row "
            "by its sum");
}

TEST(SwarmCsv, WeightsThatAreNegativeOrAllZeroAreNamed) {
  const auto message = [](std::string_view mixtures) -> std::string {
    try {
      parse_swarm(mixtures, "m.csv", "run,loss\nx,3\ny,2\n", "s.csv", {.rescale_rows = true});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message("run,web,code\nx,3,1\ny,0,0\n"),
            "m.csv:3: the weights of the datasets sum to 0, expected above 0");
  EXPECT_EQ(message("run,web,code\nx,3,1\ny,5,-1\n"),
            "m.csv:3: column 'code': the share is -1, expected 0 or more");
  EXPECT_EQ(message("run,web,code\nx,3,1\ny,1e308,1e308\n"),
            "m.csv:3: the weights of the datasets sum to inf, expected above 0");
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
            "divide them by 100 (demix fit --rescale-rows)");
  EXPECT_EQ(message_of("a,b,c\n1,0,0\n0,0.5,0.5\n", kScores),
            "m.csv:2: the shares sum to 0, expected 1 (within 0.01); with column 'a', which was "
            "taken for the runs' names, they do: put a column named run in front, with the same "
            "names in both files");
  EXPECT_EQ(message_of("index,a,b,cost\n1,0.5,0.499,1000\n", kScores),
            "m.csv:2: the shares sum to 1001, expected 1 (within 0.01); column 'cost' is 1000: if "
            "it is no dataset's share, delete it (or give demix fit --ignore cost)");
  EXPECT_EQ(message_of("index,a,b,cost\n1,0.5,0.5,0.7\n", kScores),
            "m.csv:2: the shares sum to 1.7, expected 1 (within 0.01); without column 'cost' they "
            "do: if it is no dataset, delete it (or give demix fit --ignore cost)");
  EXPECT_EQ(
      message_of("index,a,b\n1,0.5,0.5101\n", kScores),
      "m.csv:2: the shares sum to 1.0101, expected 1 (within 0.01); if they were rounded and no "
      "dataset is missing, divide each share by the sum of its row (demix fit --rescale-rows)");
  // What is 0.01 in one row only is a dataset.
  EXPECT_EQ(
      message_of("index,a,b,c\n1,0.5,0.5,0.04\n2,0.5,0.2,0.3\n", kScores),
      "m.csv:2: the shares sum to 1.04, expected 1 (within 0.015); if they were rounded and "
      "no dataset is missing, divide each share by the sum of its row (demix fit --rescale-rows)");
}

TEST(SwarmCsv, NumbersAsTheyAreWrittenElsewhereAreRefusedWithWhatToDo) {
  EXPECT_EQ(message_of("index,a,b\n1,25%,75%\n", kScores),
            "m.csv:2: column 'a': '25%', expected a finite number; write a share or score in per "
            "cent as a fraction of one, 78.7% as 0.787");
  EXPECT_EQ(message_of("index;a;b\n1;0,25;0,75\n", kScores),
            "m.csv:2: column 'a': '0,25', expected a finite number; write the decimal sign as a "
            "point, not as a comma");
  EXPECT_EQ(message_of(kMixtures, "index,s\n1,2\n2,-inf\n"),
            "s.csv:3: column 's': '-inf', expected a finite number; a run that diverged has no "
            "place in a fit: delete its row");
  EXPECT_EQ(message_of(std::string("\xFF\xFE"
                                   "i\0n\0",
                                   6),
                       kScores),
            "m.csv: UTF-16 or not text, expected UTF-8; convert it, such as with 'iconv -f UTF-16 "
            "-t UTF-8'");
}

TEST(SwarmCsv, FirstLinesThatAreNoHeaderAreSkippedAndCounted) {
  const Swarm swarm = parse_swarm("sep=;\nRun;Name;a;b\n1;x;0.25;0.75\n",
                                  "m.csv",
                                  "\xEF\xBB\xBF# exported\r\nrun,s\r\n1,2\r\n",
                                  "s.csv");
  EXPECT_EQ(swarm.datasets, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(swarm.scores[0], (std::vector<double>{2}));
  EXPECT_EQ(message_of("# 1\nindex,a\n1,x\n", kScores).substr(0, 9), "m.csv:3: ");
}

TEST(SwarmCsv, SharesThatRoundingLeftBelowZeroAreZero) {
  const Swarm swarm = parse_swarm("index,a,b\n1,-1.4e-17,1\n", "m.csv", "index,s\n1,2\n", "s.csv");
  EXPECT_EQ(swarm.mixtures.row(0)[0], 0);
  EXPECT_TRUE(swarm.warnings.empty());
}

TEST(SwarmCsv, ColumnsWithoutWhichTheSharesSumToOneAreNoDatasets) {
  const Swarm rate = parse_swarm(
      "index,a,b,lr\n1,0.25,0.75,0.0004\n2,0.5,0.5,0.0004\n", "m.csv", kScores, "s.csv");
  EXPECT_EQ(rate.datasets, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(rate.warnings.size(), 1u);
  EXPECT_EQ(rate.warnings[0],
            "m.csv: column 'lr' was left out as no dataset: the shares sum to one without.");
  const Swarm two = parse_swarm(
      "index,a,b,seed,steps\n1,0.251,0.75,0,9\n2,0.5,0.5,1,9\n", "m.csv", kScores, "s.csv");
  EXPECT_EQ(two.datasets, (std::vector<std::string>{"a", "b"}));
  const Swarm cost =
      parse_swarm("index,a,b,cost\n1,0.25,0.75,3\n2,0.5,0.5,0.001\n", "m.csv", kScores, "s.csv");
  EXPECT_EQ(cost.datasets, (std::vector<std::string>{"a", "b"}));
  // A dataset may be named so.
  const Swarm time = parse_swarm("index,a,time\n1,0.25,0.75\n2,0.5,0.5\n", "m.csv", kScores, "s");
  EXPECT_EQ(time.datasets, (std::vector<std::string>{"a", "time"}));
}

constexpr const char* kThreeScores = "run,s\nx,3\ny,4\nz,5\n";

std::vector<std::string> datasets_of(const std::string& mixtures) {
  return parse_swarm(mixtures, "m.csv", kThreeScores, "s.csv").datasets;
}

TEST(SwarmCsv, SeveralColumnsThatAreNoSharesAreFound) {
  const std::vector<std::string> ab = {"a", "b"}, abc = {"a", "b", "c"};
  const Swarm swarm = parse_swarm(
      "run,a,cost,b,price,eval\nx,0.25,3.5,0.75,1e6,5.7\ny,0.5,3.5,0.5,1e6,5.3\nz,1,3.5,0,1e6,5\n",
      "m.csv",
      kThreeScores,
      "s.csv");
  EXPECT_EQ(swarm.datasets, ab);
  ASSERT_EQ(swarm.warnings.size(), 1u);
  EXPECT_EQ(swarm.warnings[0],
            "m.csv: columns 'cost', 'price', 'eval' were left out as no dataset: the shares sum to "
            "one without.");
  EXPECT_EQ(swarm.left_out, (std::vector<std::string>{"run", "run", "cost", "price", "eval"}));
  // Some within [0, 1], some not, one with a gap.
  EXPECT_EQ(datasets_of("run,a,q,b,eval,total\nx,0.25,0.31,0.75,5.7,1\ny,0.5,0.42,0.5,,1\n"
                        "z,1,0.07,0,5,1\n"),
            ab);
  // More than three: an unbroken row of columns.
  EXPECT_EQ(datasets_of("run,p,q,a,b,c,t,u\nx,.3,.31,.25,.75,0,.37,.12\ny,.4,.42,.5,.25,.25,.31,"
                        ".17\nz,.5,.07,1,0,0,.11,.9\n"),
            abc);
  // Named like scores.
  EXPECT_EQ(datasets_of("run,a,c_acc,d_acc,e_acc,f_acc,b\nx,.25,.1,.2,.3,.4,.75\n"
                        "y,.5,.4,.3,.1,.2,.5\nz,1,.7,.3,.4,.3,0\n"),
            ab);
}

TEST(SwarmCsv, SharesOfTwoPhasesAreNotGuessedAt) {
  EXPECT_EQ(
      message_of("run,p0_a,p0_b,p1_a,p1_b\nx,0.25,0.75,0.5,0.5\ny,0.5,0.5,0.2,0.8\n", kThreeScores),
      "m.csv:2: the shares sum to 2, expected 1 (within 0.02); if no dataset is missing, "
      "divide each share by the sum of its row (demix fit --rescale-rows)");
}

TEST(SwarmCsv, OneExportOfMixturesAndScoresServesAsBothFiles) {
  const char* both =
      "Name,State,Notes,Sweep,Runtime,mixture/a,mixture/b,lr,eval/a_loss,eval/quiz,_step\n"
      "x,finished,-,,100,0.25,0.75,1e-3,5.7,0.31,9\n"
      "y,finished,-,,100,0.5,0.5,1e-3,5.5,0.42,9\n"
      "z,crashed,-,,3,1,0,1e-3,,,2\n";
  const Swarm swarm = parse_swarm(both, "w.csv", both, "w.csv");
  EXPECT_EQ(swarm.datasets, (std::vector<std::string>{"mixture/a", "mixture/b"}));
  EXPECT_EQ(swarm.metrics, (std::vector<std::string>{"eval/a_loss", "eval/quiz"}));
  EXPECT_EQ(swarm.runs, (std::vector<std::string>{"x", "y"}));
  const auto warned = [&](const char* text) {
    return std::count(swarm.warnings.begin(), swarm.warnings.end(), text) == 1;
  };
  EXPECT_TRUE(warned("w.csv: columns 'State', 'Notes', 'Sweep' were left out: no number is in."));
  EXPECT_TRUE(warned(
      "w.csv: columns 'State', 'Notes', 'Sweep' were left out as no dataset: no number is in."));
  EXPECT_TRUE(warned(
      "w.csv: columns 'mixture/a', 'mixture/b' were left out: the mixtures' file has the same "
      "shares of datasets."));
}

TEST(SwarmCsv, AColumnOfBothFilesThatIsNamedAsAMetricIsNoShare) {
  const char* both = "run,a,b,tiny\nx,0.25,0.75,0.004\ny,0.5,0.5,0.003\nz,1,0,0.001\n";
  EXPECT_EQ(parse_swarm(both, "w.csv", both, "s.csv", {.metrics = {"tiny"}}).datasets,
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parse_swarm(both, "w.csv", both, "s.csv", {.metrics = {"tiny"}}).metrics,
            (std::vector<std::string>{"tiny"}));
  // Datasets and losses may have the same names.
  const char* losses = "run,a,b\nx,5,6\ny,5.5,6.5\nz,7,6.2\n";
  const Swarm swarm = parse_swarm(
      "run,a,b\nx,0.25,0.75\ny,0.5,0.5\nz,1,0\n", "m.csv", losses, "s.csv", {.metrics = {"a"}});
  EXPECT_EQ(swarm.datasets, swarm.metrics);
}

TEST(SwarmCsv, TextInPlaceOfSharesIsNamedAtOnce) {
  EXPECT_EQ(
      message_of("run,a,State,b,User\nx,0.25,ok,n,me\ny,0.5,ok,m,me\n", kThreeScores),
      "m.csv:2: columns 'State', 'b', 'User' were passed over, since no share is in them, but "
      "without them the shares sum to 0.25, expected 1; leave out what else is no dataset "
      "(demix fit --ignore NAME,…)");
  EXPECT_EQ(message_of("run,a,b\nx,0.25,0.75\ny,0.5,0.5\n", "run,s\nx,good\ny,bad\n"),
            "s.csv:2: column 's': 'good', expected a finite number; if the column is no data, "
            "delete it (or give demix fit --ignore s)");
}

TEST(SwarmCsv, AColumnMayBeIgnoredInOneFileOnly) {
  const char* mixtures = "run,a,b,c\nx,0.25,0.75,0.1\ny,0.5,0.5,0.1\nz,1,0,0.1\n";
  const char* scores = "run,a,b,c\nx,1,2,3\ny,2,3,4\nz,3,4,5\n";
  const Swarm swarm = parse_swarm(
      mixtures, "m.csv", scores, "s.csv", {.ignore = {"mixtures:c", "scores:a", "scores:b"}});
  EXPECT_EQ(swarm.datasets, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(swarm.metrics, (std::vector<std::string>{"c"}));
}

TEST(SwarmCsv, ARunThatStandsFarFromTheOthersIsWarnedOf) {
  std::string mixtures = "run,a,b\n", scores = "run,s\n";
  for (int i = 0; i < 12; ++i) {
    mixtures += fmt::format("r{},0.{},0.{}\n", i, 10 + i, 90 - i);
    scores += fmt::format("r{},{}\n", i, i == 4 ? 60.0 : 5 + 0.1 * (i % 5));
  }
  const Swarm swarm = parse_swarm(mixtures, "m.csv", scores, "s.csv");
  EXPECT_EQ(swarm.runs.size(), 12u);
  ASSERT_EQ(swarm.warnings.size(), 1u);
  EXPECT_EQ(swarm.warnings[0],
            "s.csv: run 'r4' stands far from the others: its s is 60, where theirs lie between 5 "
            "and 5.4. If it diverged, delete its row; it was kept.");
}

TEST(SwarmCsv, ScoresNamedLikeMetadataAreNoMetrics) {
  const Swarm swarm = parse_swarm(
      kMixtures, "m.csv", "index,s,seed,_step,Learning Rate\n1,2,0,9,1\n2,3,0,9,1\n", "s.csv");
  EXPECT_EQ(swarm.metrics, (std::vector<std::string>{"s"}));
  ASSERT_EQ(swarm.warnings.size(), 1u);
  EXPECT_EQ(swarm.warnings[0],
            "s.csv: columns 'seed', '_step', 'Learning Rate' were left out: by their names they "
            "are no scores; rename what is a metric.");
}

TEST(SwarmCsv, NamedColumnsAreIgnoredInBothFiles) {
  const Swarm swarm = parse_swarm("index,a,b,note\n1,0.25,0.75,x\n2,0.5,0.5,y\n",
                                  "m.csv",
                                  "index,s,\"t,none\",note\n1,2,5,z\n2,3,6,z\n",
                                  "s.csv",
                                  {.ignore = {"note", "t", "none"}});
  EXPECT_EQ(swarm.datasets, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(swarm.metrics, (std::vector<std::string>{"s"}));
  EXPECT_EQ(swarm.runs, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(std::count(swarm.left_out.begin(), swarm.left_out.end(), "note"), 2);
}

TEST(SwarmCsv, ADatasetMayHaveTheNameOfALabel) {
  const char* scores = "run,s\na,1\nb,2\n";
  const Swarm indonesian =
      parse_swarm("run,en,id\na,0.25,0.75\nb,0.5,0.5\n", "m.csv", scores, "s.csv");
  EXPECT_EQ(indonesian.datasets, (std::vector<std::string>{"en", "id"}));
  EXPECT_EQ(indonesian.mixtures.row(0)[1], 0.75);
  const Swarm numbered =
      parse_swarm("run,en,de,id\na,0.25,0.75,1\nb,0.5,0.5,2\n", "m.csv", scores, "s.csv");
  EXPECT_EQ(numbered.datasets, (std::vector<std::string>{"en", "de"}));
}

TEST(SwarmCsv, RoundedRowsAreRescaledWithAWarning) {
  const Swarm swarm = parse_swarm("index,a,b\n1,0.3,0.697\n", "m.csv", "index,s\n1,2\n", "s.csv");
  EXPECT_NEAR(swarm.mixtures.row(0)[0], 0.3 / 0.997, 1e-15);
  ASSERT_EQ(swarm.warnings.size(), 1u);
  EXPECT_EQ(swarm.warnings[0], "m.csv: rows sum to one within 0.003 only and were rescaled.");
}

TEST(SwarmCsv, SharesRoundedToTwoDigitsAreRescaledAsFarAsRoundingExplains) {
  const Swarm swarm =
      parse_swarm("run,a,b,c,d,e\nx,0.25,0.25,0.25,0.26,0.01\ny,0.5,0.12,0.12,0.12,0.12\n",
                  "m.csv",
                  kThreeScores,
                  "s.csv");
  EXPECT_EQ(swarm.datasets.size(), 5u);
  EXPECT_NEAR(swarm.mixtures.row(0)[4], 0.01 / 1.02, 1e-15);
  EXPECT_EQ(swarm.warnings[0],
            "m.csv: rows sum to one within 0.02 only, as the rounding of shares explains, and were "
            "rescaled.");
  EXPECT_NE(
      message_of("run,a,b,c,d,e\nx,0.25,0.25,0.25,0.26,0.02\ny,0.2,0.2,0.2,0.2,0.2\n", kThreeScores)
          .find("the shares sum to 1.03, expected 1 (within 0.025); if they were rounded"),
      std::string::npos);
}

TEST(SwarmCsv, RunsInOneFileOnlyAreLeftOutWithAWarning) {
  const Swarm swarm = parse_swarm(kMixtures, "m.csv", "index,s\n2,1\n7,1\n8,1\n", "s.csv");
  EXPECT_EQ(swarm.runs, (std::vector<std::string>{"2"}));
  ASSERT_EQ(swarm.warnings.size(), 3u);
  EXPECT_EQ(swarm.warnings[2], "Runs were joined by column 'index'.");
  EXPECT_EQ(swarm.warnings[0],
            "1 of the 2 runs of m.csv are not in s.csv and were left out, the first is '1'.");
  EXPECT_EQ(swarm.warnings[1],
            "2 of the 3 runs of s.csv are not in m.csv and were left out, the first is '7'.");
}

TEST(SwarmCsv, ProblemsAreNamedByFileLineAndColumn) {
  EXPECT_EQ(message_of("index,a,b\n1,0.5,x\n", kScores),
            "m.csv:2: column 'b': 'x', expected a finite number; if the column is no data, delete "
            "it (or give demix fit --ignore b)");
  EXPECT_EQ(message_of("index,a,b\n1,1,\n2,0.5,0.5\n", kScores),
            "m.csv:2: column 'b': no value, expected a number; write 0 for a dataset without a "
            "part");
  EXPECT_EQ(message_of("index,a,b\n1,0.5,0.5\n2,0.5\n", kScores),
            "m.csv:3: 2 fields, but the header has 3");
  EXPECT_EQ(
      message_of("index,a,b\n1,0.5,0.4\n", kScores),
      "m.csv:2: the shares sum to 0.9, expected 1 (within 0.01); if they were rounded and no "
      "dataset is missing, divide each share by the sum of its row (demix fit --rescale-rows)");
  EXPECT_EQ(message_of("index,a,b\n1,1.5,-0.5\n", kScores),
            "m.csv:2: column 'b': the share is -0.5, expected 0 or more");
  EXPECT_EQ(message_of("index,a,b\n1,1,0\n\n1,0,1\n", kScores),
            "m.csv:4: run '1' comes twice in column 'index', first in line 2; if another column "
            "names the runs, name that one run");
  EXPECT_EQ(message_of("index,a,a\n1,1,0\n", kScores), "m.csv:1: column 'a' comes twice");
  EXPECT_EQ(message_of("", kScores), "m.csv: empty, expected a header and a row per run");
  EXPECT_EQ(message_of("index,a\n", kScores), "m.csv: a header without rows");
  EXPECT_EQ(message_of("index\n1\n", kScores),
            "m.csv:1: no column of data beside the run's labels; the header is 'index'");
  EXPECT_EQ(message_of("index,a\n9,1\n", kScores),
            "no run of m.csv is in s.csv, joined by column 'index'; the first runs are '9' and "
            "'2'");
  EXPECT_EQ(message_of("index,\"a\n1,1\n", kScores), "m.csv:1: a quoted field is never closed");
  EXPECT_EQ(message_of("index,\"a\"b\n1,1\n", kScores),
            "m.csv:1: text after the closing quote of a field");
}

TEST(SwarmCsv, ScoresWhoseSquaresOverflowAreNone) {
  EXPECT_EQ(message_of(kMixtures, "index,s\n1,2\n2,-1e155\n"),
            "s.csv:3: column 's': -1e155 is no score, expected at most 1e+100 in magnitude; a run "
            "that diverged has no place here: delete its row");
  EXPECT_NE(message_of(kMixtures, "index,s,s_stderr\n1,2,1e200\n2,1,1\n").find("'s_stderr': 1e200"),
            std::string::npos);
}

TEST(SwarmCsv, StandardErrorsStandBesideTheirMetric) {
  const Swarm swarm = parse_swarm(
      kMixtures, "m.csv", "run,acc,acc_stderr,odd_stderr\n1,0.5,0.01,3\n2,0.6,0.02,4\n", "s.csv");
  EXPECT_EQ(swarm.metrics, (std::vector<std::string>{"acc"}));
  EXPECT_EQ(swarm.standard_errors[0], (std::vector<double>{0.01, 0.02}));
  EXPECT_EQ(swarm.warnings[0],
            "s.csv: column 'odd_stderr' was left out: by its name it holds standard errors, and "
            "there is no column 'odd'.");
  EXPECT_EQ(message_of(kMixtures, "run,acc,acc_stderr\n1,0.5,-1\n2,0.5,1\n"),
            "s.csv:2: column 'acc_stderr': the standard error is -1, expected 0 or more");
}

TEST(SwarmCsv, StandardErrorsOfTheHarnessStandBeforeTheFilter) {
  const Swarm swarm = parse_swarm(kMixtures,
                                  "m.csv",
                                  "run,\"arc/acc,none\",\"arc/acc_stderr,none\",t,t_stderr\n"
                                  "1,0.5,0.01,1,N/A\n2,0.6,0.02,2,0.1\n",
                                  "s.csv");
  EXPECT_EQ(swarm.metrics, (std::vector<std::string>{"arc/acc,none", "t"}));
  EXPECT_EQ(swarm.standard_errors[0], (std::vector<double>{0.01, 0.02}));
  EXPECT_TRUE(swarm.standard_errors[1].empty());
  EXPECT_EQ(swarm.warnings[0],
            "s.csv: column 't_stderr' was left out: it has standard errors of 1 runs of 2 only.");
}

TEST(SwarmCsv, ARunWithAScoreMissingIsLeftOut) {
  const Swarm swarm = parse_swarm(kMixtures, "m.csv", "index,s,t\n1,2,NaN\n2,3,4\n", "s.csv");
  EXPECT_EQ(swarm.runs, (std::vector<std::string>{"2"}));
  EXPECT_EQ(swarm.scores[0], (std::vector<double>{3}));
  ASSERT_EQ(swarm.warnings.size(), 1u);
  EXPECT_EQ(swarm.warnings[0],
            "s.csv: 1 of 2 runs have a score missing and were left out, the first in line 2, "
            "column 't'.");
  EXPECT_EQ(message_of(kMixtures, "index,s,t\n1,2,\n2,3,NA\n"),
            "s.csv: column 't' has no score of any run; delete it (or give demix fit --ignore t)");
}

// Runs 1 to 4, of which run i has the score 10 i.
TEST(SwarmCsv, FilesAreJoinedByTheColumnThatBothHave) {
  const auto scores_by = [](const char* mixtures, const char* scores) {
    return parse_swarm(mixtures, "m.csv", scores, "s.csv").scores[0];
  };
  const std::vector<double> right = {10, 20, 30, 40};
  // What pandas puts in front counts from zero.
  EXPECT_EQ(scores_by("index,a,b\n1,1,0\n2,0,1\n3,.5,.5\n4,.2,.8\n",
                      ",index,s\n0,1,10\n1,2,20\n2,3,30\n3,4,40\n"),
            right);
  EXPECT_EQ(scores_by("index,run_id,a,b\n1,4,1,0\n2,3,0,1\n3,2,.5,.5\n4,1,.2,.8\n",
                      "index,s\n1,10\n2,20\n3,30\n4,40\n"),
            right);
  // The runs' names differ, another column names them alike.
  EXPECT_EQ(scores_by("run,trial,a,b\nx1,p,1,0\nx2,q,0,1\nx3,r,.5,.5\nx4,t,.2,.8\n",
                      "run,trial,s\ny1,t,40\ny2,r,30\ny3,q,20\ny4,p,10\n"),
            right);
  // Row numbers fit always; names that fit go before them.
  EXPECT_EQ(scores_by("run,index,a,b\nu,0,1,0\nv,1,0,1\nw,2,.5,.5\nx,3,.2,.8\n",
                      "run,index,s\nx,0,40\nw,1,30\nv,2,20\nu,3,10\n"),
            right);
}

TEST(SwarmCsv, ColumnsThatJoinAreNamedWhereTheyDifferOrLeaveRunsOut) {
  const Swarm swarm = parse_swarm(kMixtures, "m.csv", "model,s\n2,1\n1,2\n", "s.csv");
  EXPECT_EQ(swarm.scores[0], (std::vector<double>{2, 1}));
  ASSERT_EQ(swarm.warnings.size(), 1u);
  EXPECT_EQ(swarm.warnings[0],
            "Runs were joined by column 'index' of m.csv and column 'model' of s.csv.");
  const Swarm names = parse_swarm("run,index,a,b\nu,0,1,0\nv,1,0,1\nw,2,.5,.5\n",
                                  "m.csv",
                                  "run,index,s\nx,0,40\nw,1,30\nv,2,20\n",
                                  "s.csv");
  EXPECT_EQ(names.scores[0], (std::vector<double>{20, 30}));
  EXPECT_EQ(names.warnings.back(),
            "Runs were joined by column 'run'; column 'index' would join more: to take it instead, "
            "delete it (or give demix fit --ignore run).");
  const Swarm numbers = parse_swarm(
      "run,index,a,b\nu,0,1,0\nv,1,0,1\n", "m.csv", "run,index,s\nx,0,40\nw,1,30\n", "s.csv");
  EXPECT_EQ(numbers.scores[0], (std::vector<double>{40, 30}));
  EXPECT_EQ(numbers.warnings.back(),
            "Runs were joined by column 'index'; column 'run' has other names in each of the "
            "files.");
}

TEST(SwarmCsv, FilesWithoutAColumnForTheRunsAreToldToAddOne) {
  EXPECT_EQ(message_of("a,b\n0,1\n0,1\n0.5,0.5\n", kScores),
            "m.csv: no column names the runs; column 'a' holds fractions or repeated numbers: put "
            "one named run in front, with the same names in the mixtures' and the scores' file");
}

TEST(SwarmCsv, AMissingFileIsNamed) {
  EXPECT_THROW(read_swarm("/nonexistent/m.csv", "/nonexistent/s.csv"), Error);
}

}  // namespace
}  // namespace demix
