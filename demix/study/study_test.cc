#include "demix/study/study.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/run/worker.h"
#include "tests/small_run.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

constexpr const char* kStudy = R"(
study:
  references: 5
  reference_seeds: [101, 102]
  shorter: {trained_half: 512}
  arms:
    full: {seeds: [1, 2], merges: {longer: {method: linear, parameters: {lambda: 2}}}}
    short: {tokens: 512, anchor_share: 0.25, shared_order: false}
  decisions: {arms: [full], seeds: [301], trained_proxies: 8}
  bootstrap: 100
)";

class StudyRun : public testing::Test {
 protected:
  StudyRun() { write_small_run(folder_.path()); }
  StudyConfig config(const std::string& study = kStudy) const {
    return read_config<StudyConfig>(
        ConfigNode::parse(small_run_yaml(folder_.path()) + study, "study.yaml"));
  }
  std::filesystem::path out() const { return folder_ / "study"; }
  // What the study says of the configuration before it trains anything.
  std::string refusal(const StudyConfig& config) const {
    std::string message = "no error";
    try {
      run_study(config, out());
    } catch (const Error& error) {
      message = error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(out() / "base"));
    return message;
  }

  TemporaryFolder folder_;
};

TEST_F(StudyRun, WithAWorkerComesToTheSameTables) {
  StudyConfig small = config();
  small.threads = 1;
  small.search.constraints.max_epochs = 1000;  // of what the target takes, which searches must know
  run_study(small, folder_ / "alone");
  int64_t jobs = 0;
  std::jthread worker([&] { jobs = work({.run_folder = folder_ / "shared"}); });
  run_study(small, folder_ / "shared", Address{"127.0.0.1", 0});
  worker.join();
  EXPECT_GT(jobs, 0);
  for (const char* table : {"references.csv", "estimates.csv", "decisions.csv"})
    EXPECT_EQ(read_file(folder_ / "shared" / table), read_file(folder_ / "alone" / table)) << table;

  // Where all models are there and all proxies scored, what is left is to score models.
  {
    Journal journal(folder_ / "shared/journal.sqlite");
    std::vector<JournalEntry> scores = journal.all("score");
    std::erase_if(scores,
                  [](const auto& one) { return !one.value.at("merged").template get<bool>(); });
    journal.drop("score");
    journal.put("score", scores);
  }
  jobs = 0;
  std::jthread scorer([&] { jobs = work({.run_folder = folder_ / "shared"}); });
  run_study(small, folder_ / "shared", Address{"127.0.0.1", 0});
  scorer.join();
  EXPECT_GT(jobs, 0);
  EXPECT_EQ(read_file(folder_ / "shared/decisions.csv"),
            read_file(folder_ / "alone/decisions.csv"));
}

TEST_F(StudyRun, EveryExperimentForetellsEveryReferenceByEveryChooser) {
  const StudyTables tables = run_study(config(), out());
  EXPECT_EQ(tables.references.size(), 10u);
  std::map<std::string, std::set<std::string>> choosers;
  std::map<std::string, int> rows;
  for (const EstimateRow& row : tables.estimates) {
    choosers[row.experiment].insert(row.chooser);
    ++rows[row.experiment + " " + row.chooser];
  }
  const std::set<std::string> always = {
      "merge", "ensemble", "interpolation", "own_share", "calibrated", "shares"};
  std::set<std::string> of_full = always;
  of_full.insert("longer");
  EXPECT_EQ(choosers.at("full.1"), of_full);
  EXPECT_EQ(choosers.at("full.2"), of_full);
  EXPECT_EQ(choosers.at("short.1"), always);
  EXPECT_EQ(choosers.at("references"), std::set<std::string>{"trained_half"});
  for (const auto& [name, count] : rows) EXPECT_EQ(count, 5) << name;

  for (const SignRow& row : tables.signs) EXPECT_TRUE(row.values.contains("gauge.words"));

  std::set<std::string> decided;
  for (const DecisionRow& row : tables.decisions) {
    decided.insert(row.chooser);
    double sum = 0;
    for (const double share : row.shares) sum += share;
    EXPECT_NEAR(sum, 1, 1e-9) << row.chooser;
  }
  for (const char* chooser : {"merge",
                              "longer",
                              "ensemble",
                              "calibrated",
                              "uniform",
                              "natural",
                              "natural_unprojected",
                              "uniform_unprojected",
                              "regmix",
                              "climb",
                              "trained_proxies"})
    EXPECT_TRUE(decided.contains(chooser)) << chooser;
}

TEST_F(StudyRun, RefinedChoosersTrainReferencesOfTheirOwn) {
  const StudyTables tables = run_study(config(R"(
study:
  references: 5
  arms: {full: {seeds: [1, 2]}}
  decisions:
    arms: [full]
    component_seeds: 2
    choosers:
      [refined, refined_boldly, refined_cautiously, refined_by_shares, refined_trained,
       calibrated_few_cautiously]
    seeds: [301]
    taught: 4
    refined: 2
  bootstrap: 100
)"),
                                       out());
  std::map<std::string, int> rows;
  for (const DecisionRow& row : tables.decisions) ++rows[row.experiment + " " + row.chooser];
  EXPECT_EQ(rows.size(), 12u);
  for (const char* chooser : {"refined",
                              "refined_boldly",
                              "refined_cautiously",
                              "refined_by_shares",
                              "refined_trained",
                              "calibrated_few_cautiously"})
    for (const char* experiment : {"full.1 ", "full.2 "})
      EXPECT_EQ(rows[std::string(experiment) + chooser], 1) << experiment << chooser;
  EXPECT_TRUE(std::filesystem::exists(out() / "refined/full.2/refined/2/config.json"));
}

TEST_F(StudyRun, ReferencesOfAnEarlierStudyAreForetoldWithoutTrainingThemAgain) {
  const StudyTables first = run_study(config(), out());
  const StudyTables again = run_study(
      config(fmt::format("study: {{references_from: {}, arms: {{full: {{}}}}, bootstrap: 100}}\n",
                         (out() / "references.csv").string())),
      folder_ / "again");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "again/references"));
  EXPECT_EQ(again.references.size(), first.references.size());
  // Scores are written with eight digits, shares with six.
  for (const char* chooser : {"merge", "ensemble", "interpolation"}) {
    const auto expected = estimates_of(first, "full.1", chooser);
    const auto found = estimates_of(again, "full.1", chooser);
    for (size_t d = 0; d < expected.size(); ++d)
      for (size_t i = 0; i < expected[d].size(); ++i)
        EXPECT_NEAR(found[d][i], expected[d][i], 1e-4) << chooser;
  }
  for (size_t i = 0; i < first.references.size(); ++i)
    EXPECT_NEAR(again.references[i].scores[0], first.references[i].scores[0], 1e-6);
}

TEST_F(StudyRun, MoreTaughtReferencesThanTheFileHasAreRefused) {
  run_study(config(), out());
  EXPECT_THROW(
      run_study(config(fmt::format("study: {{references_from: {}, arms: {{full: {{}}}}, decisions: "
                                   "{{choosers: [refined], taught: 6}}, bootstrap: 100}}\n",
                                   (out() / "references.csv").string())),
                folder_ / "again"),
      Error);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "again/base"));  // before any work
}

TEST_F(StudyRun, ASecondStartTrainsNothingAndEndsWithTheSameTables) {
  run_study(config(), out());
  const std::string estimates = read_file(out() / "estimates.csv");
  const std::string decisions = read_file(out() / "decisions.csv");
  const auto written =
      std::filesystem::last_write_time(out() / "references/101/uniform/config.json");
  std::filesystem::remove(out() / "estimates.csv");
  run_study(config(), out());
  EXPECT_EQ(read_file(out() / "estimates.csv"), estimates);
  EXPECT_EQ(read_file(out() / "decisions.csv"), decisions);
  EXPECT_EQ(std::filesystem::last_write_time(out() / "references/101/uniform/config.json"),
            written);
}

TEST_F(StudyRun, ComponentsThatCannotExpressTheReferencesAreRefused) {
  const std::string message =
      refusal(config("study: {references: 5, arms: {far: {anchor_share: 0.9}}}\n"));
  EXPECT_NE(message.find("study.arms.far: its components cannot express"), std::string::npos)
      << message;
}

TEST_F(StudyRun, AnArmThatCannotExpressTheReferencesMayDecide) {
  const StudyTables tables = run_study(config(R"(
study:
  references: 4
  arms: {near: {}, far: {anchor_share: 0.9, foretells: false}}
  decisions: {arms: [far], choosers: [interpolation], seeds: [301]}
  bootstrap: 100
)"),
                                       out());
  EXPECT_EQ(experiments_of(tables), std::vector<std::string>{"near.1"});
  ASSERT_EQ(tables.decisions.size(), 1u);
  EXPECT_EQ(tables.decisions[0].experiment, "far.1");
}

TEST_F(StudyRun, NamesThatAreNotThereAreRefused) {
  StudyConfig unknown = config();
  unknown.search.weights = {{"word", 1}};
  const std::string message = refusal(unknown);
  EXPECT_NE(message.find("search.weights: there is no domain 'word'"), std::string::npos)
      << message;
}

TEST_F(StudyRun, FloorsOfScoresThatAreNoDomainsAreRefused) {
  StudyConfig floors = config();
  floors.search.floors = {{"words", 0.01}, {"held_out/letters", 0.01}};
  const std::string message = refusal(floors);
  EXPECT_NE(message.find("search.floors.held_out/letters: a study foretells domains (numbers, "
                         "words), not single scores; give this score a domain of its own"),
            std::string::npos)
      << message;
}

TEST_F(StudyRun, AnImportThatIsNoModelIsRefused) {
  StudyConfig imports = config();
  imports.base.import = folder_ / "tokenizer";
  const std::string message = refusal(imports);
  EXPECT_NE(message.find("base.import"), std::string::npos) << message;
}

TEST_F(StudyRun, ConstraintsThatContradictEachOtherAreRefused) {
  StudyConfig contradictory = config();
  contradictory.search.constraints.min_share = {{"digits", 0.4}, {"signs", 0.4}};
  const std::string message = refusal(contradictory);
  EXPECT_NE(message.find("search.constraints: these constraints cannot hold"), std::string::npos)
      << message;
}

TEST_F(StudyRun, ConstraintsThatTheDatasetsAreTooSmallForAreRefused) {
  StudyConfig scarce =
      config("study: {arms: {pure: {anchor_share: 0}}, decisions: {arms: [pure]}}");
  scarce.search.constraints.max_epochs = 1e-3;
  const std::string message = refusal(scarce);
  EXPECT_NE(message.find("search.constraints: "), std::string::npos) << message;
  EXPECT_NE(message.find("study.arms.pure"), std::string::npos) << message;
}

}  // namespace
}  // namespace demix
