#include "demix/report/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "demix/core/error.h"
#include "demix/report/mixture_csv.h"
#include "demix/report/page.h"
#include "demix/report/result_json.h"
#include "demix/report/sample_result.h"
#include "demix/report/trust.h"
#include "tests/message_of.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

RunResult two_datasets() {
  RunResult r;
  r.datasets = {{.name = "a, \"b\"", .path = "/data/a b", .available_tokens = 200},
                {.name = "c", .path = "shards/c", .available_tokens = 1000},
                {.name = "d"}};
  r.mixture = {0.25, 0.75, 0.0};
  r.merge_weights = {0.5, 0.5, 0.0};
  r.target_tokens = 1000;
  return r;
}

TEST(ResultJson, WrittenAndReadBackIsTheSame) {
  const RunResult result = sample_result();
  const Json json = result_to_json(result), details = details_to_json(result);
  const RunResult again = result_from_json(Json::parse(json.dump()), Json::parse(details.dump()));
  EXPECT_EQ(result_to_json(again), json);
  EXPECT_EQ(details_to_json(again), details);
  EXPECT_EQ(again.references.size(), 17u);
  EXPECT_EQ(again.references[4].trained.tasks[2].standard_error,
            result.references[4].trained.tasks[2].standard_error);
  EXPECT_EQ(again.models[3].tokens_by_dataset, result.models[3].tokens_by_dataset);
  EXPECT_FALSE(again.references.back().in_correlations);
}

TEST(ResultJson, HasWhatComponentsScoreOnHeldOutTextWhereSomeIsScored) {
  RunResult result = sample_result();
  const std::string first = result.datasets[0].name, second = result.datasets[1].name;
  result.own_data.components[1] = {"behind", first};
  for (std::vector<double>& bits : result.own_data.bits) bits[2] = kUnknown;
  const Json json = result_to_json(result), &own = json["own_data"];
  EXPECT_EQ(own["components"][second]["reading"], "behind");
  EXPECT_EQ(own["components"][second]["best"], first);
  EXPECT_EQ(own["components"][second]["bits_per_byte"][first], 3.25);
  EXPECT_EQ(own["base"][first], 3.5);
  const RunResult again = result_from_json(Json::parse(json.dump()), details_to_json(result));
  EXPECT_EQ(again.own_data.bits[1][1], 2.75);
  EXPECT_TRUE(std::isnan(again.own_data.bits[1][2]));
  EXPECT_EQ(again.own_data.components[1].best, first);
  result.own_data = {};
  EXPECT_TRUE(result_to_json(result)["own_data"].is_null());
}

TEST(ResultJson, WhatTheSearchFoundIsKeptWhereAnotherMixtureIsHandedOver) {
  RunResult result = sample_result();
  EXPECT_TRUE(result_to_json(result)["baselines"]["searched"].is_null());
  result.searched = result.uniform;
  result.searched.name = "searched";
  const Json json = result_to_json(result);
  const RunResult again = result_from_json(json, details_to_json(result));
  EXPECT_EQ(again.searched.name, "searched");
  EXPECT_EQ(again.searched.mixture, result.uniform.mixture);
  EXPECT_EQ(again.searched.found_gain.domains[0].value, result.uniform.found_gain.domains[0].value);
}

TEST(ResultJson, HasTheContractsNamesAndShapes) {
  const RunResult result = sample_result();
  const Json json = result_to_json(result);
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["mixture"].size(), 7u);
  EXPECT_EQ(json["mixture"]["prose_ocr_noise"], 0.0) << "zeros are listed too";
  EXPECT_EQ(json["merge_weights"]["math_textbook"], 0.342);
  EXPECT_EQ(json["predicted"]["arc_easy"]["metric"], "choice_prob");
  EXPECT_EQ(json["predicted"]["arc_easy"]["value"], result.predicted[0].value);
  EXPECT_EQ(json["fidelity"]["references"], 16);
  EXPECT_EQ(json["fidelity"]["macro"]["spearman"]["value"], 0.86);
  EXPECT_TRUE(json["fidelity"]["macro"]["capability_recovery"]["value"].is_null());
  EXPECT_EQ(json["fidelity"]["domains"]["math"]["regret"]["value"], 0.2);
  EXPECT_EQ(json["fidelity"]["free_baselines"]["interpolation"]["macro"]["spearman"]["value"],
            0.90);
  EXPECT_EQ(json["fidelity"]["free_baselines"]["own_share"]["domains"].size(), 3u);
  EXPECT_EQ(json["fidelity"]["gauge"]["value"], 0.88);
  EXPECT_EQ(json["fidelity"]["gauge"]["domains"].size(), 3u);
  EXPECT_EQ(json["baselines"]["uniform"]["trained"]["code"],
            result.uniform.trained.domains[2].value);
  EXPECT_EQ(json["baselines"]["found"]["mixture"], json["mixture"]);
  EXPECT_EQ(json["cost"]["seconds"]["search"], 148.0);
  EXPECT_EQ(json["baselines"]["flattened"]["predicted"]["code"]["value"],
            result.flattened.predicted.domains[2].value);
  EXPECT_EQ(json["baselines"]["natural"]["found_gain_proxy"]["code"]["stderr"], 0.005);
  EXPECT_EQ(json["tolerance"]["prose_ocr_noise"]["low_bound"], true);
  EXPECT_EQ(json["front"].size(), 4u);
  EXPECT_EQ(json["search"]["next_gain"], 0.031);
  EXPECT_EQ(json["warnings"].size(), 2u);
}

TEST(ResultJson, HasTheVerdictsAndReadsFilesWithoutThem) {
  const RunResult result = sample_result();
  Json json = result_to_json(result);
  const std::vector<Verdict> all = verdicts(result);
  ASSERT_EQ(json["verdicts"].size(), all.size());
  EXPECT_EQ(json["verdicts"][0],
            (Json{{"question", "Do the merged proxies rank mixtures as real training does?"},
                  {"kind", "yes"},
                  {"answer", all[0].answer}}));
  EXPECT_EQ(json["verdicts"][1]["kind"], "no_evidence");
  json.erase("verdicts");  // as older versions wrote it
  EXPECT_EQ(result_to_json(result_from_json(json, details_to_json(result))),
            result_to_json(result));
}

TEST(ResultJson, UnknownNumbersAreNullAndNeverNaN) {
  RunResult result = sample_result();
  result.mixture.assign(7, kUnknown);
  result.fidelity.proxy.macro = {};
  result.found.trained.domains[0] = {INFINITY, -INFINITY};
  for (const Json& json : {result_to_json(result), details_to_json(result)}) {
    const Json flat = json.flatten();
    for (const auto& [place, value] : flat.items()) {
      EXPECT_TRUE(!value.is_number_float() || std::isfinite(value.get<double>())) << place;
    }
  }
  const Json json = result_to_json(result);
  EXPECT_TRUE(json["mixture"]["code_python"].is_null());
  EXPECT_TRUE(json["baselines"]["found"]["trained"]["general"].is_null());
  EXPECT_TRUE(std::isnan(result_from_json(json, details_to_json(result)).mixture[0]));
}

TEST(ResultJson, NothingKnownIsReadable) {
  const RunResult again =
      result_from_json(result_to_json(RunResult{}), details_to_json(RunResult{}));
  EXPECT_TRUE(again.datasets.empty());
  EXPECT_TRUE(std::isnan(again.fidelity.proxy.macro.spearman.value));
}

TEST(ResultJson, EditedFilesAreRefusedWithTheReason) {
  const auto message = [](const Json& result, const Json& details) -> std::string {
    try {
      result_from_json(result, details);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const Json good = result_to_json(sample_result()), details = details_to_json(sample_result());
  EXPECT_EQ(message(good, details), "");
  Json bad = good;
  bad["mixture"]["code_perl"] = 0.1;
  EXPECT_NE(message(bad, details).find("'code_perl'"), std::string::npos);
  bad = good;
  bad["cost"]["proxies"] = "many";
  EXPECT_NE(message(bad, details).find("result.json"), std::string::npos);
  bad = details;
  bad["references"] = {{{"name", 3}}};
  EXPECT_NE(message(good, bad).find("details.json"), std::string::npos);
  bad = good;
  bad["version"] = 2;
  EXPECT_NE(message(bad, details).find("version 2"), std::string::npos);
  for (const Json& other : {Json::object(), Json::array()}) {
    EXPECT_NE(message(other, details).find("result.json is not what demix writes"),
              std::string::npos);
    EXPECT_NE(message(good, other).find("details.json is not what demix writes"),
              std::string::npos);
  }
}

TEST(ResultJson, FilesOfDifferentRunsAreRefused) {
  RunResult other = sample_result();
  other.config_yaml = "seed: 8\n";
  const auto message = [&](const Json& result, const RunResult& details) {
    return message_of([&] { result_from_json(result, details_to_json(details)); });
  };
  Json good = result_to_json(sample_result());
  EXPECT_EQ(message(good, sample_result()), "no error");
  EXPECT_MENTIONS(message(good, other), "are of different runs");
  good.erase("config_sha256");  // as older versions wrote it
  EXPECT_EQ(message(good, other), "no error");
  other.references.clear();
  EXPECT_MENTIONS(message(good, other), "are of different runs");
}

TEST(MixtureCsv, GivesSharesTokensAndEpochsAndQuotesNames) {
  EXPECT_EQ(mixture_csv(two_datasets()),
            "dataset,share,merge_weight,tokens,epochs,share_low,share_high\n"
            "\"a, \"\"b\"\"\",0.250000,0.500000,250,1.2500,,\n"
            "c,0.750000,0.500000,750,0.7500,,\n"
            "d,0.000000,0.000000,0,,,\n");
  RunResult r = two_datasets();
  r.tolerance = {{0.2, 0.3}, {0.7, 0.8}, {0, 0.05}};
  EXPECT_NE(mixture_csv(r).find("c,0.750000,0.500000,750,0.7500,0.7000,0.8000\n"),
            std::string::npos);
}

TEST(MixtureCsv, LeavesTokensEmptyWithoutATargetBudget) {
  RunResult r = two_datasets();
  r.target_tokens = kUnknown;
  EXPECT_NE(mixture_csv(r).find("c,0.750000,0.500000,,,,\n"), std::string::npos);
}

TEST(MegatronBlend, ListsWeightsAndQuotedPathsWithoutZeros) {
  EXPECT_EQ(megatron_blend(two_datasets()), "--data-path 0.250000 '/data/a b' 0.750000 shards/c");
  EXPECT_EQ(megatron_blend(RunResult{}), "");
  RunResult r = two_datasets();
  r.datasets[0].path = "it's";
  EXPECT_NE(megatron_blend(r).find("'it'\\''s'"), std::string::npos);
}

TEST(Report, IsRebuiltFromTheTwoJsonFilesAlone) {
  const fs::path run = fs::path(testing::TempDir()) / "demix_report_test";
  fs::remove_all(run);
  fs::create_directories(run);
  RunResult result = sample_result();
  result.proxies = "ensemble";
  write_report(run, result);
  const std::string page = slurp(run / "report.html"), csv = slurp(run / "mixture.csv");
  EXPECT_EQ(page, render_page(result));
  for (const char* name : {"report.html", "mixture.csv", "megatron_blend.txt"})
    fs::remove(run / name);
  rebuild_report(run);
  EXPECT_EQ(slurp(run / "report.html"), page);
  EXPECT_EQ(slurp(run / "mixture.csv"), csv);
  EXPECT_TRUE(fs::exists(run / "megatron_blend.txt"));
  fs::remove_all(run);
}

TEST(Report, MissingOrBrokenFilesAreNamed) {
  const fs::path run = fs::path(testing::TempDir()) / "demix_report_broken";
  fs::remove_all(run);
  fs::create_directories(run);
  try {
    read_result(run);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("result.json: missing"), std::string::npos);
  }
  std::ofstream(run / "result.json") << "{";
  EXPECT_THROW(read_result(run), Error);
  EXPECT_THROW(write_report(run / "no" / "folder", RunResult{}), Error);
  fs::remove_all(run);
}

}  // namespace
}  // namespace demix
