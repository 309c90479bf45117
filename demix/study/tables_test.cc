#include "demix/study/tables.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

StudyTables small() {
  StudyTables tables;
  tables.datasets = {"wiki", "code"};
  tables.domains = {"general"};
  tables.references = {{"uniform", 101, {0.5, 0.5}, {-2}, {0.5}},
                       {"random_01", 101, {0.25, 0.75}, {-3}, {0.5}},
                       {"uniform", 102, {0.5, 0.5}, {-4}, {0.5}},
                       {"random_01", 102, {0.25, 0.75}, {-4}, {0.5}}};
  tables.estimates = {{"full.1", "merge", "uniform", {-2.5}},
                      {"full.1", "merge", "random_01", {-2.75}},
                      {"full.2", "merge", "uniform", {-2.25}}};
  tables.decisions = {{"full.1", "merge", 301, {1, 0}, {-1}, {0.25}, 1.5}};
  tables.signs = {{"full.1", {{"drift", 0.125}}}};
  return tables;
}

// As many as can be read back.
StudyTables four_references() {
  StudyTables tables = small();
  tables.references.clear();
  for (const uint64_t seed : {101, 102})
    for (const char* name : {"a", "b", "c", "d"})
      tables.references.push_back({name, seed, {1. / 3, 2. / 3}, {-2}, {0.5}});
  tables.estimates = {{"full.1", "merge", "a", {-2.5}},
                      {"full.1", "merge", "b", {-2.75}},
                      {"full.2", "merge", "a", {-2.25}}};
  return tables;
}

TEST(StudyTables, TheTruthIsTheMeanOverTheTrainingsOfAReference) {
  std::vector<std::string> names;
  const auto scores = trained_scores(small(), &names);
  EXPECT_EQ(names, (std::vector<std::string>{"uniform", "random_01"}));
  EXPECT_EQ(scores, (std::vector<std::vector<double>>{{-3, -3.5}}));
}

TEST(StudyTables, FilesJoinOnExperimentAndReference) {
  const TemporaryFolder folder;
  write_tables(small(), folder.path());
  EXPECT_EQ(read_file(folder / "references.csv"),
            "experiment,reference,seed,share.wiki,share.code,score.general,error.general\n"
            "full.1,uniform,101,0.500000,0.500000,-2,0.5\n"
            "full.1,random_01,101,0.250000,0.750000,-3,0.5\n"
            "full.1,uniform,102,0.500000,0.500000,-4,0.5\n"
            "full.1,random_01,102,0.250000,0.750000,-4,0.5\n"
            "full.2,uniform,101,0.500000,0.500000,-2,0.5\n"
            "full.2,random_01,101,0.250000,0.750000,-3,0.5\n"
            "full.2,uniform,102,0.500000,0.500000,-4,0.5\n"
            "full.2,random_01,102,0.250000,0.750000,-4,0.5\n");
  EXPECT_EQ(read_file(folder / "estimates.csv"),
            "experiment,chooser,reference,score.general\n"
            "full.1,merge,uniform,-2.5\n"
            "full.1,merge,random_01,-2.75\n"
            "full.2,merge,uniform,-2.25\n");
  EXPECT_EQ(read_file(folder / "decisions.csv"),
            "experiment,chooser,seed,share.wiki,share.code,score.general,error.general,aggregate\n"
            "full.1,merge,301,1.000000,0.000000,-1,0.25,1.5\n");
  EXPECT_EQ(read_file(folder / "signs.csv"), "experiment,drift\nfull.1,0.125\n");
}

TEST(StudyTables, WhatIsNotKnownIsAnEmptyField) {
  const TemporaryFolder folder;
  StudyTables tables = four_references();
  tables.references[0].errors = {std::nan("")};
  tables.estimates[1].scores = {std::nan("")};
  tables.signs = {{"full.1", {{"drift", 0.125}, {"noise.general", std::nan("")}}}};
  write_tables(tables, folder.path());
  EXPECT_EQ(read_file(folder / "signs.csv"), "experiment,drift,noise.general\nfull.1,0.125,\n");
  const StudyTables read = read_tables(folder.path());
  EXPECT_TRUE(std::isnan(read.references[0].errors[0]));
  EXPECT_TRUE(std::isnan(read.estimates[1].scores[0]));
  EXPECT_TRUE(std::isnan(read.signs[0].values.at("noise.general")));
}

TEST(StudyTables, AreReadAsTheyWereWritten) {
  const TemporaryFolder folder;
  write_tables(four_references(), folder / "a");
  const StudyTables read = read_tables(folder / "a");
  EXPECT_EQ(read.references.size(), 8u);  // not once for each of two experiments
  write_tables(read, folder / "b");
  for (const char* file : {"references.csv", "estimates.csv", "decisions.csv", "signs.csv"})
    EXPECT_EQ(read_file(folder / "a" / file), read_file(folder / "b" / file)) << file;
}

TEST(StudyTables, ReferencesAreReadBackAsMixturesOncePerTraining) {
  const TemporaryFolder folder;
  write_tables(four_references(), folder.path());
  const auto references = read_references(folder / "references.csv", {"wiki", "code"}, {"general"});
  ASSERT_EQ(references.size(), 8u);
  EXPECT_EQ(references[5].reference, "b");
  EXPECT_EQ(references[5].seed, 102u);
  EXPECT_DOUBLE_EQ(references[5].shares[0] + references[5].shares[1], 1);
  EXPECT_NEAR(references[5].shares[0], 1. / 3, 1e-6);
  EXPECT_EQ(references[5].scores, std::vector<double>{-2});
  // In the order that is asked for, not that of the file.
  EXPECT_NEAR(
      read_references(folder / "references.csv", {"code", "wiki"}, {"general"})[0].shares[0],
      2. / 3,
      1e-6);
}

TEST(StudyTables, ReferencesOfOtherDatasetsDomainsOrMixturesAreRefused) {
  const TemporaryFolder folder;
  const auto message = [&](const StudyTables& tables) -> std::string {
    write_tables(tables, folder.path());
    try {
      read_references(folder / "references.csv", {"wiki", "code"}, {"general"});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  StudyTables tables = four_references();
  tables.datasets = {"wiki", "maths"};
  EXPECT_NE(message(tables).find("datasets code, wiki, found maths, wiki"), std::string::npos);
  tables = four_references();
  tables.domains = {"words"};
  EXPECT_NE(message(tables).find("domains general, found words"), std::string::npos);
  tables = four_references();
  tables.references[2].shares = {0.5, 0.75};
  EXPECT_NE(message(tables).find("the shares of c sum to 1.25"), std::string::npos);
  tables = four_references();
  tables.references[1].scores = {std::nan("")};
  EXPECT_NE(message(tables).find("b has no score"), std::string::npos);
  EXPECT_NE(message(small()).find("2 references, expected at least 4"), std::string::npos);
}

TEST(StudyTables, EstimatesAreFoundByTheNamesOfTheirReferences) {
  StudyTables tables = four_references();
  tables.estimates.clear();
  for (const char* name : {"d", "c", "b", "a"})
    tables.estimates.push_back({"full.1", "merge", name, {-static_cast<double>(name[0])}});
  EXPECT_EQ(estimates_of(tables, "full.1", "merge"),
            (std::vector<std::vector<double>>{{-'a', -'b', -'c', -'d'}}));
  tables.estimates.pop_back();
  EXPECT_TRUE(estimates_of(tables, "full.1", "merge").empty());
}

// What read_tables says of the tables of four_references where one file holds `text`.
std::string refusal(const char* file, const std::string& text) {
  const TemporaryFolder folder;
  write_tables(four_references(), folder.path());
  write_file_atomically(folder / file, text);
  try {
    read_tables(folder.path());
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(StudyTables, AFileOfAnotherFormIsNamedWithItsLine) {
  EXPECT_NE(
      refusal("estimates.csv", "experiment,chooser,reference,score.general\nfull.1,merge,a,high\n")
          .find("estimates.csv:2: column 'score.general': 'high', expected a number"),
      std::string::npos);
  EXPECT_NE(
      refusal("estimates.csv", "experiment,chooser,reference,score.general\nfull.1,merge,a,inf\n")
          .find("estimates.csv:2: column 'score.general': 'inf', expected a finite number"),
      std::string::npos);
  EXPECT_NE(
      refusal("estimates.csv", "experiment,chooser,reference,score.general\nfull.1,merge,e,-2\n")
          .find("estimates.csv:2: there is no reference 'e'"),
      std::string::npos);
  const std::string decisions =
      "experiment,chooser,seed,share.wiki,share.code,score.general,error.general,aggregate\n"
      "full.1,merge,";
  for (const char* seed : {"", "-1", "1.5", "seed"})
    EXPECT_NE(
        refusal("decisions.csv", decisions + seed + ",1,0,-1,0.25,1.5\n")
            .find(fmt::format("decisions.csv:2: column 'seed': '{}', expected a whole", seed)),
        std::string::npos)
        << seed;
}

TEST(StudyTables, ReferencesThatNothingCanBeComputedFromAreRefused) {
  const std::string header =
      "experiment,reference,seed,share.wiki,share.code,score.general,error.general\n";
  const auto of_references = [&](const std::string& rows) {
    return refusal("references.csv", header + "full.1,a,101,0.5,0.5,-2,0.5\n" + rows);
  };
  EXPECT_NE(of_references("full.1,b,101,0.5,0.5,,0.5\n").find("references.csv:3: b has no score"),
            std::string::npos);
  EXPECT_NE(of_references("full.1,b,101,0.5,,-2,0.5\n").find("references.csv:3: b has a share"),
            std::string::npos);
  EXPECT_NE(
      of_references("full.1,b,101,0.5,0.6,-2,0.5\n").find("references.csv:3: the shares of b"),
      std::string::npos);
  EXPECT_NE(of_references("full.1,b,,0.5,0.5,-2,0.5\n").find("references.csv:3: column 'seed': ''"),
            std::string::npos);
  EXPECT_NE(of_references("full.1,b,101,0.5,0.5,-2,0.5\n").find("2 references, expected at least"),
            std::string::npos);
  EXPECT_NE(refusal("references.csv", "experiment,reference,seed,share.wiki\nfull.1,a,101,1\n")
                .find("references.csv:1: no column score.DOMAIN"),
            std::string::npos);
  EXPECT_NE(refusal("references.csv", "experiment,reference,seed,score.general\nfull.1,a,101,1\n")
                .find("references.csv:1: no column share.DATASET"),
            std::string::npos);
}

}  // namespace
}  // namespace demix
