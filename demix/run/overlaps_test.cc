#include "demix/run/overlaps.h"

#include <gtest/gtest.h>

#include <fstream>

#include "demix/corpus/tokenizer.h"
#include "demix/run/metrics.h"
#include "tests/small_run.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

constexpr const char* kQuestion =
    "What is the name of the river that runs through the old town of the city?";

TEST(Overlaps, CountsItemsInTrainingTextOnceAndWarnsOfMany) {
  const TemporaryFolder folder;
  write_small_run(folder.path());
  {
    std::ofstream letters(folder / "letters.jsonl", std::ios::app);
    for (int i = 0; i < 8; ++i)  // of which some are for training
      letters << nlohmann::json{{"text", fmt::format("{} {} Nobody knew.", i, kQuestion)}} << "\n";
    std::ofstream(folder / "quiz.yaml") << R"(domain: words
data: [quiz]
context: "{question}"
answer: "{answer}"
metrics: [bpb]
primary_metric: bpb
)";
    std::ofstream items(folder / "quiz.jsonl");
    items << nlohmann::json{{"question", kQuestion}, {"answer", "Elbe"}} << "\n";
    items << nlohmann::json{{"question", "Who is afraid of the dark in this house at night"},
                            {"answer", "we all are"}}
          << "\n";
    items << nlohmann::json{{"question", "Who?"}, {"answer", "I"}} << "\n";
  }
  RunConfig config =
      read_config<RunConfig>(ConfigNode::parse(small_run_yaml(folder.path()), "run.yaml"));
  config.evaluate.tasks = {"quiz"};
  config.evaluate.tasks_folder = config.evaluate.data = folder.path();
  const Tokenizer tokenizer = Tokenizer::load(config.tokenizer);
  const std::vector<Task> tasks = load_tasks(config.evaluate);
  Workspace workspace(config, folder / "run");
  const auto datasets = prepare_datasets(workspace, tokenizer);

  for (int time = 0; time < 2; ++time) {  // then from the journal
    const auto overlaps = find_overlaps(workspace, tasks, datasets, tokenizer);
    ASSERT_EQ(overlaps.size(), 1u);
    EXPECT_EQ(overlaps[0].task, "quiz");
    EXPECT_EQ(overlaps[0].items, 3);
    EXPECT_EQ(overlaps[0].judged, 2);
    EXPECT_EQ(overlaps[0].seen, (std::vector<int64_t>{0, 1, 0}));  // digits, letters, signs
  }
}

TEST(Overlaps, CountsDocumentsThatTwoDatasetsShare) {
  const TemporaryFolder folder;
  write_small_run(folder.path());
  {
    std::ifstream letters(folder / "letters.jsonl");
    std::ofstream digits(folder / "digits.jsonl", std::ios::app);
    std::string line;
    for (int i = 0; i < 20 && std::getline(letters, line); ++i) digits << line << "\n";
  }
  const RunConfig config =
      read_config<RunConfig>(ConfigNode::parse(small_run_yaml(folder.path()), "run.yaml"));
  Workspace workspace(config, folder / "run");
  const auto datasets = prepare_datasets(workspace, Tokenizer::load(config.tokenizer));
  for (int time = 0; time < 2; ++time) {  // then from the journal
    const auto shared = find_shared_documents(workspace, datasets);
    ASSERT_EQ(shared.size(), 1u);
    EXPECT_EQ(shared[0].a, "digits");
    EXPECT_EQ(shared[0].b, "letters");
    // Some of the twenty are held out, in both.
    EXPECT_GT(shared[0].documents, 8);
    EXPECT_LT(shared[0].documents, 20);
    const auto warnings = warnings_of(shared, datasets);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_TRUE(warnings[0].starts_with(
        "One pair of datasets has documents in common: digits with letters ("))
        << warnings[0];
    EXPECT_TRUE(warnings_of(std::vector<SharedFacts>{{"digits", "letters", 0}}, datasets).empty());
  }
}

TEST(Overlaps, PairsThatShareDocumentsAreWarnedOfInOneTextTheWorstFirst) {
  std::map<std::string, DatasetShards> datasets;
  for (const char* name : {"a", "b", "c", "d", "e"}) datasets[name].summary.train_documents = 1000;
  const auto warnings = warnings_of(std::vector<SharedFacts>{{"a", "b", 30},
                                                             {"a", "c", 9},
                                                             {"b", "c", 50},
                                                             {"a", "d", 20},
                                                             {"b", "d", 15},
                                                             {"c", "e", 12}},
                                    datasets);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(warnings[0].starts_with(
      "5 pairs of datasets have documents in common: b with c (50 documents, 5.0 and 5.0 % of "
      "theirs), a with b (30 documents, 3.0 and 3.0 % of theirs), a with d (20 documents, 2.0 and "
      "2.0 % of theirs) and 2 more. What trains on both"))
      << warnings[0];
}

TEST(Overlaps, WarnOfDatasetsThatHoldSomeOfATask) {
  const std::vector<std::string> datasets = {"a", "b"};
  const auto warnings_of_items = [&](const std::vector<OverlapFacts>& overlaps) {
    return warnings_of(overlaps, datasets);
  };
  EXPECT_TRUE(warnings_of_items({{"quiz", 50, 40, {1, 0}}}).empty());
  EXPECT_TRUE(warnings_of_items({{"quiz", 9000, 9000, {80, 0}}}).empty());
  const auto warnings = warnings_of_items({{"quiz", 50, 40, {0, 2}}, {"exam", 10, 10, {0, 10}}});
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(warnings[0].starts_with(
      "Dataset b holds text of benchmarks: quiz (2 of 40 items), exam (10 of 10 items)."))
      << warnings[0];
}

}  // namespace
}  // namespace demix
