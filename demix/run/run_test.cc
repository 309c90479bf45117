// The whole loop on a few kilobytes of text with models of a few thousand parameters.
#include "demix/run/run.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/core/rng.h"
#include "demix/report/report.h"
#include "demix/report/result_json.h"
#include "demix/run/plan.h"
#include "demix/run/worker.h"
#include "tests/message_of.h"
#include "tests/small_run.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// Files cannot grow beyond `bytes` while this exists: what a full disk does to a writer.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    handler_ = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_;
};

class Run : public testing::Test {
 protected:
  Run() { write_small_run(folder_.path()); }

  static void expect_sentence(const std::string& warning) {
    const std::string_view first = std::string_view(warning).substr(0, warning.find(' '));
    const bool path = first.find('/') != std::string_view::npos;
    EXPECT_TRUE(path || std::islower(static_cast<unsigned char>(warning[0])) == 0) << warning;
    EXPECT_TRUE(warning.ends_with('.')) << warning;
  }

  RunConfig config() const {
    return read_config<RunConfig>(ConfigNode::parse(small_run_yaml(folder_.path()), "run.yaml"));
  }

  fs::path out(const std::string& name) const { return folder_ / name; }

  // result.json without what may differ between equal runs: times and the run's own name and place.
  Json result_of(const std::string& name) const {
    Json json = Json::parse(read_file(out(name) / "result.json"));
    json["cost"].erase("seconds");
    json.erase("name");
    for (Json& dataset : json["datasets"]) dataset.erase("path");
    return json;
  }

  std::string error_of(const RunConfig& config, const std::string& name) const {
    try {
      run_stages(config, out(name), Stage::kValidate);
    } catch (const Error& error) {
      return error_chain(error);
    }
    return "no error";
  }

  TemporaryFolder folder_;
};

TEST_F(Run, EndsWithAMixtureItsProofAndTheFilesToHandOver) {
  RunConfig all_items = config();
  all_items.search.select_share = 1;  // so that gains are differences of the scores shown
  const RunResult result = run_stages(all_items, out("a"), Stage::kValidate);
  double sum = 0;
  for (const double share : result.mixture) sum += share;
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_EQ(result.fidelity.references, 4);
  EXPECT_EQ(result.search.size(), 6u);
  EXPECT_EQ(result.found.found_gain.domains.size(), 0u);
  ASSERT_EQ(result.natural.found_gain.domains.size(), 2u);
  for (size_t d = 0; d < 2; ++d) {
    EXPECT_NEAR(result.natural.found_gain.domains[d].value,
                result.found.trained.domains[d].value - result.natural.trained.domains[d].value,
                1e-9);
  }
  for (const char* file : {"report.html", "result.json", "mixture.csv", "config.yaml"})
    EXPECT_TRUE(fs::exists(out("a") / file)) << file;
  for (const TrainedModel& model : result.models) {
    int64_t consumed = 0;
    for (const int64_t tokens : model.tokens_by_dataset) consumed += tokens;
    EXPECT_EQ(consumed, model.tokens) << model.name;
  }
}

TEST_F(Run, SharesItsWorkWithAWorkerAndEndsAsAlone) {
  RunConfig shared = config();
  shared.proxies = "merged";
  shared.threads = 1;
  run_stages(shared, out("alone"), Stage::kValidate);
  int64_t jobs = 0;
  std::jthread worker([&] { jobs = work({.run_folder = out("shared")}); });
  run_stages(shared, out("shared"), Stage::kValidate, Address{"127.0.0.1", 0});
  worker.join();
  EXPECT_GT(jobs, 0);
  EXPECT_EQ(result_of("shared"), result_of("alone"));
}

TEST_F(Run, ReferencesThatWereTrainedElsewhereJoinTheStatistics) {
  RunConfig first = config();
  first.validate.spread = 0.5;
  const RunResult trained = run_stages(first, out("a"), Stage::kValidate);
  const MixtureFacts& random = trained.references.at(3);
  ASSERT_EQ(random.name, "random_01");

  RunConfig second = config();
  ReferenceImport& elsewhere = second.validate.import["elsewhere"];
  elsewhere.folder = out("a") / "references/random_01";
  elsewhere.tokens = 999;
  for (size_t i = 0; i < trained.datasets.size(); ++i)
    elsewhere.mixture[trained.datasets[i].name] = random.mixture[i];
  // The same once more, as numbers.
  std::ofstream(out("mixtures.csv")) << fmt::format("run,digits,letters,signs\nm1,{},{},{}\n",
                                                    random.mixture[0],
                                                    random.mixture[1],
                                                    random.mixture[2])
                                     << "m2,0.2,0.7,0.1\n";
  std::ofstream(out("scores.csv"))
      << "run,held_out/letters,held_out/digits\nm1,2.5,3.5\nm2,2.25,3.25\n";
  second.validate.scores = ReferenceScores{out("mixtures.csv"), out("scores.csv")};
  const RunResult result = run_stages(second, out("b"), Stage::kValidate);
  const size_t count = result.references.size();
  EXPECT_EQ(result.fidelity.references, 6);
  const MixtureFacts &imported = result.references.at(count - 3),
                     &again = result.references.at(count - 2),
                     &scored = result.references.at(count - 1);
  EXPECT_EQ(imported.name, "elsewhere");
  for (size_t d = 0; d < 2; ++d)
    EXPECT_NEAR(imported.trained.domains[d].value, random.trained.domains[d].value, 1e-6);
  EXPECT_FALSE(imported.proxy.domains.empty());
  EXPECT_FALSE(again.in_correlations);
  EXPECT_MENTIONS(again.note, "the same mixture as elsewhere");
  EXPECT_EQ(scored.trained.domains[0].value, -3.25);  // numbers: bits per byte, oriented
  bool warned = false;
  for (const std::string& warning : result.warnings) {
    expect_sentence(warning);
    warned |= warning.find("elsewhere was trained on 999 tokens") != std::string::npos;
  }
  EXPECT_TRUE(warned);

  std::ofstream(out("scores.csv")) << "run,held_out/letters\nm1,2.5\nm2,2.25\n";
  EXPECT_MENTIONS(error_of(second, "c"), "no column held_out/digits");
  std::ofstream(out("mixtures.csv")) << "run,digits,leters\nm1,0.5,0.5\nm2,0.2,0.8\n";
  EXPECT_MENTIONS(error_of(second, "d"), "there is no dataset 'leters' in this run");
  for (const auto& [name, whose] : {std::pair("current", "a reference of the run's own"),
                                    {"elsewhere", "a model under validate.import"}}) {
    std::ofstream(out("mixtures.csv")) << "run,digits,letters,signs\n"
                                       << name << ",0.5,0.3,0.2\nm2,0.2,0.7,0.1\n";
    std::ofstream(out("scores.csv")) << "run,held_out/letters,held_out/digits\n"
                                     << name << ",2.5,3.5\nm2,2.25,3.25\n";
    EXPECT_MENTIONS(error_of(second, "e"), fmt::format("run '{}' has the name of {}", name, whose));
  }
}

TEST_F(Run, SearchesByEnsemblesOfTheComponentsWhereThatIsAsked) {
  const RunResult merged = run_stages(config(), out("a"), Stage::kValidate);
  RunConfig by_ensembles = config();
  by_ensembles.proxies = "ensemble";
  const RunResult result = run_stages(by_ensembles, out("b"), Stage::kValidate);
  const MixtureFacts &uniform = result.references[0], &same = merged.references[0];
  ASSERT_EQ(uniform.name, "uniform");
  for (size_t d = 0; d < 2; ++d) {
    EXPECT_EQ(uniform.proxy.domains[d].value, same.other_proxy[d].value);
    EXPECT_EQ(uniform.other_proxy[d].value, same.proxy.domains[d].value);
    EXPECT_NE(uniform.proxy.domains[d].value, same.proxy.domains[d].value);
  }
  EXPECT_EQ(result.search.size(), merged.search.size());
  EXPECT_TRUE(std::isfinite(result.natural.found_gain_proxy.domains[0].standard_error));
  EXPECT_LT(result.cost.items_scored, merged.cost.items_scored + 1);
  EXPECT_EQ(result.fidelity.over_other_proxy.spearman.value,
            -merged.fidelity.over_other_proxy.spearman.value);
}

TEST_F(Run, EnsemblesAreTheDefaultWhereTheyHaveAllScores) {
  RunConfig by_default = config();
  by_default.proxies = RunConfig().proxies;
  EXPECT_EQ(run_stages(by_default, out("a"), Stage::kSearch).proxies, "ensemble");
}

TEST_F(Run, NoMoreReferencesAreTrainedThanTheIntervalNeeds) {
  RunConfig until = config();
  until.validate.references = 9;
  until.validate.stop_width = 2;  // no interval is wider
  const RunResult result = run_stages(until, out("a"), Stage::kValidate);
  EXPECT_EQ(result.fidelity.references, 6);
  for (const MixtureFacts& facts : result.references) EXPECT_FALSE(facts.trained.domains.empty());
}

TEST_F(Run, ReferencesPlaceFurtherOnesAndTheBestExpectedIsHandedOver) {
  for (const char* kind : {"merged", "ensemble"}) {
    RunConfig refining = config();
    refining.proxies = kind;
    refining.validate.references = 6;
    refining.validate.refine = 3;
    refining.search.decide = "average";  // which other scores move
    const std::string name = std::string("refined_") + kind;
    const RunResult result = run_stages(refining, out(name), Stage::kValidate);
    EXPECT_EQ(result.fidelity.references, 6);
    std::vector<const MixtureFacts*> placed;
    for (const MixtureFacts& facts : result.references)
      if (facts.name.starts_with("refined_")) placed.push_back(&facts);
    ASSERT_FALSE(placed.empty());
    for (const MixtureFacts* facts : placed) {
      EXPECT_FALSE(facts->in_correlations);
      EXPECT_EQ(facts->trained.domains.size(), 2u);
      EXPECT_TRUE(fs::exists(out(name) / "references" / facts->name / "config.json"));
    }
    // What is handed over was trained: the search's or one that was placed.
    EXPECT_EQ(result.mixture, result.found.mixture);
    ASSERT_EQ(result.found.trained.domains.size(), 2u);
    const bool moved = !result.searched.name.empty();
    const auto chosen = std::find_if(placed.begin(), placed.end(), [&](const MixtureFacts* facts) {
      return facts->mixture == result.mixture;
    });
    EXPECT_EQ(chosen != placed.end(), moved);
    if (moved) {
      EXPECT_NE(result.found.note.find((*chosen)->name), std::string::npos);
      EXPECT_EQ(result.searched.found_gain.domains.size(), 2u);
      EXPECT_EQ(result.tolerance.size(), 3u);
    }
    ASSERT_EQ(result.natural.found_gain.domains.size(), 2u);

    // A second start trains nothing and comes to the same end.
    const Json before = result_of(name);
    const auto written = fs::last_write_time(out(name) / "references/refined_1/config.json");
    run_stages(refining, out(name), Stage::kValidate);
    EXPECT_EQ(result_of(name), before);
    EXPECT_EQ(fs::last_write_time(out(name) / "references/refined_1/config.json"), written);
    const RunResult read = read_result(out(name));
    EXPECT_EQ(read.searched.name, result.searched.name);
  }
}

TEST_F(Run, WhatIsFoundIsMergedMeasuredAndSetAgainstTheBaselines) {
  RunConfig with_current = config();
  with_current.evaluate.held_out_tokens = 2000;  // documents for two parts
  with_current.validate.references = 0;
  with_current.search.current = {{"letters", 0.8}, {"digits", 0.2}};
  with_current.search.scheme = "adaptive";
  with_current.search.acquisition.candidates = 200;
  const RunResult result = run_stages(with_current, out("a"), Stage::kSearch);
  EXPECT_EQ(result.search_end.select_share, 0.5);
  for (const MixtureFacts* facts :
       {&result.found, &result.uniform, &result.natural, &result.flattened, &result.current}) {
    EXPECT_FALSE(facts->name.empty());
    ASSERT_EQ(facts->predicted.domains.size(), 2u) << facts->name;
    ASSERT_EQ(facts->measured.domains.size(), 2u) << facts->name;
    EXPECT_TRUE(std::isfinite(facts->proxy.domains[0].value)) << facts->name;
    if (facts->name == "found") continue;
    ASSERT_EQ(facts->found_gain_proxy.domains.size(), 2u) << facts->name;
    // Of other items than the scores that the search saw.
    EXPECT_GT(facts->found_gain_proxy.domains[0].standard_error, 0) << facts->name;
    EXPECT_NE(facts->found_gain_proxy.domains[0].value,
              result.found.measured.domains[0].value - facts->measured.domains[0].value);
  }
  EXPECT_NEAR(result.current.mixture[1], 0.8, 1e-6);  // letters
  EXPECT_EQ(result.tolerance.size(), 3u);
  EXPECT_FALSE(result.search_end.decision.empty());

  RunConfig misspelt = with_current;
  misspelt.search.floors = {{"numers", 0.01}};
  EXPECT_MENTIONS(error_of(misspelt, "b"), "did you mean 'numbers'?");
}

TEST_F(Run, ProxiesOfTheSearchAreScoredOnAShareOfTheItems) {
  RunConfig half = config();
  half.corpus.held_out = 0.5;  // documents for a share of a half
  half.evaluate.held_out_tokens = 4000;
  const RunResult on_half = run_stages(half, out("a"), Stage::kSearch);
  RunConfig quarter = half;
  quarter.search.item_share = 0.25;
  const RunResult fewer = run_stages(quarter, out("b"), Stage::kSearch);
  EXPECT_EQ(fewer.search[0].merge_weights, on_half.search[0].merge_weights);
  EXPECT_NE(fewer.search[0].domains[0].value, on_half.search[0].domains[0].value);
  // Predictions are compared with the items that they are of, gains are those of other items.
  EXPECT_EQ(fewer.natural.measured.domains.size(), 2u);
  EXPECT_NE(fewer.natural.measured.domains[0].value, fewer.natural.proxy.domains[0].value);
  EXPECT_EQ(fewer.natural.proxy.domains[0].value, on_half.natural.proxy.domains[0].value);

  quarter.search.warm_start = {out("a")};
  const RunResult alone = run_stages(quarter, out("c"), Stage::kSearch);
  EXPECT_EQ(alone.search.size(), fewer.search.size());
  EXPECT_TRUE(std::any_of(alone.warnings.begin(), alone.warnings.end(), [](const auto& warning) {
    return warning.find("search.item_share") != std::string::npos;
  }));
}

TEST_F(Run, ABudgetOfTimeEndsTheSearchTheSameWayWhenResumed) {
  RunConfig budget = config();
  budget.search.budget.seconds = 1e-9;
  const RunResult first = run_stages(budget, out("b"), Stage::kSearch);
  EXPECT_EQ(first.search.size(), 4u);
  EXPECT_MENTIONS(first.search_end.stopped, "budget.seconds");
  run_stages(budget, out("b"), Stage::kSearch);
  const Json once = result_of("b");
  run_stages(budget, out("b"), Stage::kSearch);
  EXPECT_EQ(result_of("b"), once);
}

TEST_F(Run, GoesOnFromAnyStageToTheSameResult) {
  run_stages(config(), out("at once"), Stage::kValidate);
  for (const Stage stage : {Stage::kCorpus, Stage::kTrain, Stage::kSearch, Stage::kValidate})
    run_stages(config(), out("in parts"), stage);
  EXPECT_EQ(result_of("in parts"), result_of("at once"));
  // A model whose folder is gone is trained again, to the same weights.
  fs::remove_all(out("in parts") / "components" / "signs");
  run_stages(config(), out("in parts"), Stage::kValidate);
  EXPECT_EQ(result_of("in parts"), result_of("at once"));
}

TEST_F(Run, AnyMethodThatFitsMakesTheProxies) {
  const RunResult linear = run_stages(config(), out("a"), Stage::kSearch);
  const auto first_score = [](const RunResult& result) {
    return result.search[0].domains[0].value;
  };
  RunConfig by_ties = config();
  by_ties.merge.method = "dare_ties";
  by_ties.merge.parameters = {{"density", "0.7"}, {"lambda", "0.8"}};
  const RunResult ties = run_stages(by_ties, out("b"), Stage::kSearch);
  ASSERT_EQ(ties.search.size(), linear.search.size());
  EXPECT_EQ(ties.search[0].merge_weights, linear.search[0].merge_weights);
  EXPECT_NE(first_score(ties), first_score(linear));
  // What is drawn for a merge depends on the seed alone.
  const RunResult again = run_stages(by_ties, out("c"), Stage::kSearch);
  EXPECT_EQ(first_score(again), first_score(ties));
  EXPECT_EQ(again.mixture, ties.mixture);

  RunConfig shrunk = config();
  shrunk.merge.parameters = {{"lambda", "0.5"}};
  EXPECT_NE(first_score(run_stages(shrunk, out("d"), Stage::kSearch)), first_score(linear));
}

TEST_F(Run, WhereTheComponentsLieChangesNothing) {
  const RunResult in_memory = run_stages(config(), out("a"), Stage::kSearch);
  RunConfig on_disk = config();
  on_disk.merge.memory = "disk";
  const RunResult mapped = run_stages(on_disk, out("b"), Stage::kSearch);
  EXPECT_EQ(mapped.mixture, in_memory.mixture);
  for (size_t i = 0; i < mapped.search.size(); ++i) {
    EXPECT_EQ(mapped.search[i].domains[0].value, in_memory.search[i].domains[0].value);
  }
}

TEST_F(Run, ADiskThatFillsUpLosesNothing) {
  run_stages(config(), out("a"), Stage::kValidate);
  // The journal is the largest file: room for ever more of it.
  int failures = 0;
  for (rlim_t bytes = 1 << 14; bytes <= 1 << 18; bytes *= 2) {
    const FullDisk disk(bytes);
    const std::string error = error_of(config(), "b");
    if (error == "no error") continue;
    ++failures;
    EXPECT_MENTIONS(error, "b/");
  }
  EXPECT_GE(failures, 1);
  run_stages(config(), out("b"), Stage::kValidate);
  EXPECT_EQ(result_of("b"), result_of("a"));
}

TEST_F(Run, ImportedModelsGiveTheResultOfTheRunThatTrainedThem) {
  const RunResult trained = run_stages(config(), out("a"), Stage::kValidate);
  RunConfig imports = config();
  imports.base = {};
  imports.base.import = out("a") / "base";
  for (const char* name : {"letters", "digits", "signs"})
    imports.components.import[name] = out("a") / "components" / name;
  const RunResult imported = run_stages(imports, out("b"), Stage::kValidate);
  EXPECT_EQ(imported.mixture, trained.mixture);
  ASSERT_EQ(imported.references.size(), trained.references.size());
  for (size_t i = 0; i < trained.references.size(); ++i) {
    for (size_t d = 0; d < 2; ++d) {
      if (trained.references[i].in_correlations) {
        EXPECT_EQ(imported.references[i].proxy.domains[d].value,
                  trained.references[i].proxy.domains[d].value);
      }
      EXPECT_EQ(imported.references[i].trained.domains[d].value,
                trained.references[i].trained.domains[d].value);
    }
  }
}

TEST_F(Run, ATrainingCommandTakesThePlaceOfOurTrainer) {
  const RunResult trained = run_stages(config(), out("a"), Stage::kValidate);
  RunConfig commanded = config();
  commanded.components.command =
      fmt::format("test -s {{mixture}} && test -d {{base}} && cp -r {}/{{name}}/. {{output}}",
                  out("a").string());
  const RunResult result = run_stages(commanded, out("b"), Stage::kValidate);
  EXPECT_EQ(result.mixture, trained.mixture);
  EXPECT_EQ(result.found.trained.domains[0].value, trained.found.trained.domains[0].value);

  commanded.components.command = "echo no memory left; exit 3";  // not read, so not checked
  const std::string error = error_of(commanded, "c");
  EXPECT_MENTIONS(error, "ended with exit status 3");
  EXPECT_MENTIONS(error, "no memory left");
}

// An evaluator that counts a file's bytes: of the weights, whose sum is the score.
RunConfig with_command(RunConfig config, const fs::path& script, const std::string& items) {
  std::ofstream(script) << R"(
import json, os, struct, sys
folder, output, name, count = sys.argv[1:]
with open(count, "a") as file:
    file.write(name + " " + folder + "\n")
assert os.path.exists(folder + "/tokenizer.json")
data = open(folder + "/model.safetensors", "rb").read()
size = struct.unpack("<Q", data[:8])[0]
values = struct.unpack("<%df" % ((len(data) - 8 - size) // 4), data[8 + size:])
items = [sum(v * v for v in values[i::10]) for i in range(10)]
score = {"task": "norm", "metric": "squares", "value": sum(items) / 10, "stderr": 0.1}
if ITEMS: score["items"] = items
json.dump([score, {"task": "norm", "metric": "size", "value": len(values)}], open(output, "w"))
)";
  std::string text = read_file(script);
  text.replace(text.find("ITEMS"), 5, items);
  write_file_atomically(script, text);
  config.evaluate.command =
      fmt::format("python3 {0} {{model}} {{output}} {{name}} {0}.count", script.string());
  config.evaluate.domains = {{"words", {"held_out/letters"}}, {"norms", {"norm:squares"}}};
  config.evaluate.lower_is_better = {"squares"};
  return config;
}

TEST_F(Run, AnEvaluationCommandTakesThePlaceOfOurScores) {
  RunConfig commanded = with_command(config(), folder_ / "count.py", "False");
  commanded.check();
  const RunResult result = run_stages(commanded, out("a"), Stage::kValidate);
  ASSERT_EQ(result.tasks.size(), 2u);
  EXPECT_EQ(result.tasks[0].name, "norm:squares");
  EXPECT_FALSE(result.tasks[0].higher_is_better);
  EXPECT_GT(result.found.trained.tasks[0].value, 0);
  EXPECT_NEAR(result.found.trained.tasks[0].standard_error, 0.1, 1e-12);
  ASSERT_EQ(result.natural.found_gain.tasks.size(), 2u);
  EXPECT_NEAR(result.natural.found_gain.tasks[0].value,
              result.found.trained.tasks[0].value - result.natural.trained.tasks[0].value,
              1e-9);
  EXPECT_NEAR(result.natural.found_gain.tasks[0].standard_error, std::sqrt(0.02), 1e-9);
  bool noted = false;
  for (const std::string& warning : result.warnings) {
    expect_sentence(warning);
    noted |= warning.find("norm:squares without single items") != std::string::npos;
  }
  EXPECT_TRUE(noted);

  // All of it is journaled, and no model is left in memory.
  const std::string count = read_file(folder_ / "count.py.count");
  run_stages(commanded, out("a"), Stage::kValidate);
  EXPECT_EQ(read_file(folder_ / "count.py.count"), count);
  std::istringstream lines(count);
  std::string name, line;
  int models = 0;
  while (std::getline(lines, line)) {
    ++models;
    EXPECT_FALSE(fs::exists(line.substr(line.rfind(' ') + 1))) << line;
  }
  // Three components, six proxies, four baselines' and found's merges, and references.
  EXPECT_GT(models, 12);
}

TEST_F(Run, AnEvaluationCommandThatGivesItemsHasPairedGains) {
  RunConfig commanded = with_command(config(), folder_ / "count.py", "True");
  const RunResult result = run_stages(commanded, out("a"), Stage::kSearch);
  EXPECT_EQ(result.tasks[0].items, 10);
  // Of unpaired scores it would be this.
  ASSERT_EQ(result.natural.found_gain_proxy.tasks.size(), 2u);
  EXPECT_GT(std::abs(result.natural.found_gain_proxy.tasks[0].standard_error -
                     std::hypot(result.natural.proxy.tasks[0].standard_error,
                                result.found.proxy.tasks[0].standard_error)),
            1e-6);
}

TEST_F(Run, AnEvaluationCommandThatFailsStopsTheRunByName) {
  RunConfig commanded = with_command(config(), folder_ / "count.py", "False");
  commanded.evaluate.domains["norms"] = {"norm:sqares"};
  commanded.evaluate.lower_is_better = {};
  EXPECT_MENTIONS(error_of(commanded, "a"),
                  "components/digits: the scores of the evaluation command cannot be used");
  EXPECT_MENTIONS(error_of(commanded, "a"), "no score norm:sqares");
  commanded.evaluate.command = "echo {model} > {output}; echo out of luck; exit 4";
  const std::string error = error_of(commanded, "b");
  EXPECT_MENTIONS(error, "ended with exit status 4");
  EXPECT_MENTIONS(error, "out of luck");
  commanded.evaluate.lower_is_better = {"loss"};
  EXPECT_MENTIONS(error_of(commanded, "c"),
                  "no score of the command under domains has metric 'loss'");
  commanded.evaluate.lower_is_better = {};
  commanded.evaluate.domains["norms"] = {"norm"};
  EXPECT_MENTIONS(error_of(commanded, "d"), "write TASK:METRIC");
}

TEST_F(Run, APlanCountsTheAnswersThatAModelWillGenerate) {
  RunConfig answering = config();
  answering.evaluate.tasks = {"gsm8k"};
  answering.evaluate.data = fs::path(DEMIX_SOURCE_DIR) / "tests/data/evaluate/items";
  answering.evaluate.domains = {{"math", {"gsm8k:exact_match"}}, {"words", {"held_out/letters"}}};
  const Plan plan = make_plan(answering);
  EXPECT_GT(plan.answers, 0);
  EXPECT_GT(plan.answer_seconds, 0);
  EXPECT_GT(plan.score_seconds, plan.answer_seconds);
  EXPECT_MENTIONS(plan_table(plan), fmt::format("for {} generated answers", plan.answers));
  bool noted = false;
  for (const std::string& warning : plan.warnings) {
    expect_sentence(warning);
    noted |= warning.find("as long as they may be") != std::string::npos;
  }
  EXPECT_TRUE(noted);

  RunConfig likely = answering;
  likely.evaluate.domains["math"] = {"gsm8k:bpb"};
  EXPECT_EQ(make_plan(likely).answers, 0);
  EXPECT_LT(make_plan(likely).stages.back().flops, plan.stages.back().flops);
}

TEST_F(Run, AWarmStartTakesWhatTheSameComponentsScoredInOtherRuns) {
  const RunResult first = run_stages(config(), out("a"), Stage::kSearch);
  // One dataset more.
  write_random_words(folder_.path(), "more", "ABCDEFGH", 4);
  RunConfig warm = config();
  warm.datasets["capitals"].paths = {folder_ / "more.jsonl"};
  warm.search.warm_start = {out("a")};
  const RunResult second = run_stages(warm, out("b"), Stage::kSearch);
  for (const TrainedModel& model : second.models) {
    const bool is_new = model.name == "components/capitals";
    EXPECT_EQ(model.trained_by, is_new ? "" : out("a").string()) << model.name;
    EXPECT_EQ(model.tokens_by_dataset.size(), 4u);
  }
  EXPECT_EQ(second.cost.tokens_trained, config().components.tokens);
  // 6 proxies of the search, the found mixture and the baselines.
  const auto known = static_cast<size_t>(
      std::count_if(second.search.begin(), second.search.end(), [](const SearchedProxy& proxy) {
        return proxy.round < 0;
      }));
  ASSERT_GE(known, 8u);
  EXPECT_EQ(second.search.size() - known, 1u + 2u);  // a quarter of the components is new
  EXPECT_MENTIONS(second.search_end.decision, "came from other runs");
  for (size_t i = 0; i < 6; ++i) {
    // capitals, digits, letters, signs
    const std::vector<double>&theirs = first.search[i].merge_weights,
          &ours = second.search[i].merge_weights;
    EXPECT_EQ(ours, (std::vector<double>{0, theirs[0], theirs[1], theirs[2]}));
    for (size_t d = 0; d < 2; ++d)
      EXPECT_EQ(second.search[i].domains[d].value, first.search[i].domains[d].value);
  }
  // Resumed, it needs the other folder no more.
  fs::rename(out("a") / "journal.sqlite", out("a") / "gone");
  const Json once = result_of("b");
  run_stages(warm, out("b"), Stage::kSearch);
  EXPECT_EQ(result_of("b"), once);
  fs::rename(out("a") / "gone", out("a") / "journal.sqlite");

  // A dataset dropped: what had no weight on it stays valid.
  RunConfig without = warm;
  without.search.warm_start.clear();
  without.search.constraints.max_share["capitals"] = 0;
  run_stages(without, out("c"), Stage::kSearch);
  RunConfig fewer = warm;
  fewer.datasets.erase("capitals");
  fewer.search.warm_start = {out("c")};
  const auto known_in = [](const RunResult& result) {
    return std::count_if(result.search.begin(),
                         result.search.end(),
                         [](const SearchedProxy& proxy) { return proxy.round < 0; });
  };
  EXPECT_GE(known_in(run_stages(fewer, out("d"), Stage::kSearch)), 6);

  // Kept beside others, such as its parts, but not to be used: all proxies count.
  RunConfig unused = warm;
  unused.search.warm_start = {out("b")};
  unused.search.constraints.max_share["capitals"] = 0;
  const RunResult fifth = run_stages(unused, out("e"), Stage::kSearch);
  EXPECT_GE(known_in(fifth), std::ssize(second.search));
  EXPECT_EQ(fifth.merge_weights[0], 0);
}

TEST_F(Run, AWarmStartTakesTheModelsThatWouldBeTrainedToTheSameWeights) {
  run_stages(config(), out("a"), Stage::kTrain);
  const auto weights = [&](const fs::path& model) {
    return read_file(model / "model.safetensors");
  };
  write_random_words(folder_.path(), "more", "ABCDEFGH", 4);
  RunConfig more = config();
  more.datasets["capitals"].paths = {folder_ / "more.jsonl"};
  run_stages(more, out("b"), Stage::kTrain);
  for (const char* name : {"base", "components/letters", "components/digits", "components/signs"})
    EXPECT_EQ(weights(out("a") / name), weights(out("b") / name)) << name;

  // Also where the other run has moved, and through a third one. Not what has been changed since.
  fs::rename(out("a"), out("moved"));
  fs::copy_file(out("b") / "components" / "signs" / "model.safetensors",
                out("moved") / "components" / "digits" / "model.safetensors",
                fs::copy_options::overwrite_existing);
  more.search.warm_start = {out("moved")};
  const auto trained_by = [](const RunResult& result, const std::string& name) {
    for (const TrainedModel& model : result.models)
      if (model.name == name) return model.trained_by;
    return std::string("no such model");
  };
  const RunResult third = run_stages(more, out("c"), Stage::kTrain);
  EXPECT_EQ(trained_by(third, "components/letters"), out("moved").string());
  EXPECT_EQ(trained_by(third, "components/digits"), "");
  EXPECT_EQ(weights(out("c") / "components" / "digits"), weights(out("b") / "components/digits"));
  EXPECT_EQ(trained_by(third, "components/capitals"), "");
  more.search.warm_start = {out("c")};
  const RunResult fourth = run_stages(more, out("d"), Stage::kTrain);
  EXPECT_EQ(trained_by(fourth, "components/letters"), out("moved").string());
  EXPECT_EQ(trained_by(fourth, "components/capitals"), out("c").string());
  EXPECT_EQ(fourth.cost.tokens_trained, 0);

  // Other settings are another model.
  more.train.learning_rate *= 2;
  EXPECT_EQ(trained_by(run_stages(more, out("e"), Stage::kTrain), "components/letters"), "");
}

TEST_F(Run, AWarmStartFromWhatDoesNotFitSaysWhy) {
  run_stages(config(), out("a"), Stage::kSearch);
  RunConfig warm = config();
  warm.search.warm_start = {out("nowhere")};
  EXPECT_MENTIONS(error_of(warm, "b"), "holds no journal.sqlite");
  warm.search.warm_start = {out("c")};
  EXPECT_MENTIONS(error_of(warm, "c"), "own folder");
  // The run goes on without.
  const auto expect_warning = [&](const RunConfig& config, const char* name, const char* reason) {
    const RunResult result = run_stages(config, out(name), Stage::kSearch);
    EXPECT_EQ(result.search.size(), 6u) << name;
    const auto says = [&](const std::string& warning) {
      return warning.find(config.search.warm_start[0].string()) != std::string::npos &&
             warning.find(reason) != std::string::npos;
    };
    EXPECT_EQ(std::count_if(result.warnings.begin(), result.warnings.end(), says), 1) << name;
  };
  run_stages(config(), out("trained"), Stage::kTrain);
  warm.search.warm_start = {out("trained")};
  expect_warning(warm, "d", "has scored no proxy yet");

  warm.search.warm_start = {out("a")};
  RunConfig other = warm;
  other.seed = 8;
  expect_warning(other, "e", "their base is another model");
  other = warm;
  other.merge.parameters = {{"lambda", "0.5"}};
  expect_warning(other, "f", "theirs is 'merge by linear");
  other = warm;
  other.evaluate.dtype = "bfloat16";
  expect_warning(other, "g", "here evaluate.dtype is bfloat16");
  other = warm;
  other.evaluate.held_out_tokens = 500;
  expect_warning(other, "h", "their held_out/");
  other = warm;
  other.components.tokens = 2048;
  expect_warning(other, "i", "whose weights are no component here");
}

TEST_F(Run, ACopiedFolderGoesOnWithItsOwnModelsAndADamagedOneIsTrainedAnew) {
  RunConfig short_run = config();
  run_stages(short_run, out("a"), Stage::kTrain);
  fs::copy(out("a"), out("copy"), fs::copy_options::recursive);
  const std::string digits = read_file(out("a") / "components" / "digits" / "model.safetensors");
  fs::remove_all(out("a"));
  short_run.seed = 8;
  run_stages(short_run, out("a"), Stage::kTrain);  // another run under the old name
  const fs::path copied = out("copy") / "components";
  fs::copy_file(copied / "signs" / "model.safetensors",
                copied / "digits" / "model.safetensors",
                fs::copy_options::overwrite_existing);
  run_stages(config(), out("copy"), Stage::kValidate);
  EXPECT_TRUE(read_file(copied / "digits" / "model.safetensors") == digits);
  run_stages(config(), out("anew"), Stage::kValidate);
  Json once = result_of("anew"), again = result_of("copy");
  once.erase("warnings");
  again.erase("warnings");
  for (Json* result : {&once, &again}) result->at("cost").erase("tokens_trained");
  EXPECT_TRUE(again == once);
}

TEST_F(Run, AnEarlierStageLeavesTheResultOfALaterOne) {
  run_stages(config(), out("a"), Stage::kSearch);
  const Json searched = result_of("a");
  EXPECT_NE(run_stages(config(), out("a"), Stage::kTrain).unfinished, "");
  EXPECT_EQ(result_of("a"), searched);
  const RunResult corpus = run_stages(config(), out("a"), Stage::kCorpus);
  EXPECT_EQ(corpus.search.size(), 6u);
  EXPECT_EQ(result_of("a"), searched);
}

TEST_F(Run, ModelsThatDoNotBelongTogetherAreRefused) {
  run_stages(config(), out("a"), Stage::kTrain);
  RunConfig other = config();
  other.seed = 8;
  run_stages(other, out("other seed"), Stage::kTrain);
  other.model.intermediate = 64;
  run_stages(other, out("other shape"), Stage::kTrain);

  RunConfig imports = config();
  imports.base = {};
  imports.base.import = out("a") / "base";
  imports.components.import["digits"] = out("other seed") / "components" / "digits";
  EXPECT_MENTIONS(error_of(imports, "b"), "lies as far from this base");
  imports.components.import["digits"] = out("other shape") / "components" / "digits";
  EXPECT_MENTIONS(error_of(imports, "c"), "intermediate");

  // The same ids for other text.
  fs::copy(out("a") / "components" / "digits", out("other tokenizer"), fs::copy_options::recursive);
  write_byte_tokenizer(out("other tokenizer"), "null", "<|start|>");
  imports.components.import["digits"] = out("other tokenizer");
  EXPECT_MENTIONS(error_of(imports, "d"), "is not the one of this run");

  // References too.
  RunConfig judged = config();
  ReferenceImport& reference = judged.validate.import["theirs"];
  reference.mixture = {{"letters", 1}};
  reference.folder = out("other tokenizer");
  EXPECT_MENTIONS(error_of(judged, "e"), "is not the one of this run");
  reference.folder = out("other seed") / "components" / "letters";
  EXPECT_MENTIONS(error_of(judged, "f"), "lies as far from this base");
  EXPECT_FALSE(fs::exists(out("f") / "components")) << "it is said before components are trained";
}

bool warned(const RunResult& result, const std::string& text) {
  return std::any_of(
      result.warnings.begin(), result.warnings.end(), [&](const std::string& warning) {
        return warning.find(text) != std::string::npos;
      });
}

TEST_F(Run, TheGaugeShoutsWhereComponentsWentTooFarWhateverTheProxiesAre) {
  RunConfig sound = config(), hot = config();
  sound.proxies = hot.proxies = RunConfig().proxies;
  sound.components.learning_rate = 1e-3;
  hot.components.learning_rate = 0.06;
  hot.components.tokens = 4096;
  for (RunConfig* each : {&sound, &hot}) {
    each->base.tokens = 16384;
    each->search.proxies = 8;
  }
  const RunResult well = run_stages(sound, out("sound"), Stage::kSearch);
  EXPECT_FALSE(well.gauge.broken) << well.gauge.verdict;
  const RunResult broken = run_stages(hot, out("hot"), Stage::kSearch);
  EXPECT_EQ(broken.proxies, "ensemble");
  EXPECT_TRUE(warned(broken, "score below the average of their components in"));
  EXPECT_TRUE(broken.gauge.verdict.starts_with("Merging breaks")) << broken.gauge.verdict;
  EXPECT_TRUE(broken.gauge.broken);
}

TEST_F(Run, ComponentsOnTheirWayTellWhetherTheyAreLongEnough) {
  RunConfig likelihoods = config();
  likelihoods.components.tokens *= 4;
  likelihoods.components.learning_rate = 3e-3;  // those that go too far are not asked
  likelihoods.search.proxies = 8;
  const RunResult result = run_stages(likelihoods, out("a"), Stage::kSearch);
  ASSERT_EQ(result.length.domains.size(), 2u);
  EXPECT_GE(result.length.value, -1);
  EXPECT_LE(result.length.value, 1);
  EXPECT_NEAR(result.length.share, 0.4, 0.15);
  EXPECT_FALSE(result.length.verdict.empty());
  const RunResult again = run_stages(likelihoods, out("a"), Stage::kSearch);
  EXPECT_EQ(again.length.domains, result.length.domains);
  EXPECT_EQ(read_result(out("a")).length.verdict, result.length.verdict);

  fs::remove_all(out("a") / "components/letters/early");
  fs::remove(out("a") / "result.json");
  const LengthFacts unknown = run_stages(likelihoods, out("a"), Stage::kSearch).length;
  EXPECT_TRUE(std::isnan(unknown.value));
  EXPECT_TRUE(unknown.verdict.ends_with("of that of letters there are no weights on the way."))
      << unknown.verdict;
  EXPECT_EQ(read_result(out("a")).length.verdict, unknown.verdict);
  likelihoods.components.keep_early = 0;
  const RunResult without = run_stages(likelihoods, out("b"), Stage::kSearch);
  EXPECT_TRUE(without.length.verdict.empty());
  EXPECT_EQ(without.mixture, result.mixture);
}

TEST_F(Run, ComponentsThatAreTakenForEachOtherAreNamedByHeldOutText) {
  RunConfig right = config();
  right.components.tokens *= 8;
  right.components.learning_rate = 4e-3;
  right.components.anchor_share = 0.1;
  right.validate.references = 0;
  const RunResult trained = run_stages(right, out("a"), Stage::kSearch);
  ASSERT_EQ(trained.own_data.components.size(), 3u);
  for (size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(trained.own_data.components[k].reading, "best");
    EXPECT_EQ(trained.own_data.components[k].best, trained.datasets[k].name);
    EXPECT_LT(trained.own_data.bits[k][k], trained.own_data.base[k] + 0.05);
  }
  RunConfig wrong = right;
  wrong.base = {};
  wrong.base.import = out("a") / "base";
  wrong.components.import["digits"] = out("a") / "components/signs";
  wrong.components.import["signs"] = out("a") / "components/digits";
  const RunResult swapped = run_stages(wrong, out("b"), Stage::kSearch);
  ASSERT_EQ(swapped.datasets[0].name, "digits");
  EXPECT_EQ(swapped.own_data.bits[0], trained.own_data.bits[2]);
  for (const size_t k : {size_t{0}, size_t{2}}) {
    const std::string& reading = swapped.own_data.components[k].reading;
    EXPECT_TRUE(reading == "behind" || reading == "below_base") << reading;
  }
  EXPECT_EQ(swapped.own_data.components[0].best, "signs");
  EXPECT_EQ(swapped.own_data.components[1].reading, "best");

  RunConfig unread = right;
  unread.evaluate.held_out = {"letters", "digits"};
  EXPECT_EQ(run_stages(unread, out("c"), Stage::kSearch).own_data.components[2].reading, "");
}

TEST_F(Run, ReferencesMuchLongerThanTheComponentsAreWarnedOf) {
  RunConfig longer = config();
  longer.validate.tokens = 8 * longer.components.tokens;
  EXPECT_TRUE(warned(run_stages(longer, out("a"), Stage::kValidate),
                     "The references are trained 8.0 times as long as the components"));
}

TEST_F(Run, ADatasetOfADomainThatIsNotScoredIsWarnedOf) {
  RunConfig other = config();
  other.datasets["signs"].domain = "wrods";
  run_stages(other, out("a"), Stage::kCorpus);
  const std::vector<std::string> said = warnings();
  EXPECT_TRUE(std::any_of(said.begin(), said.end(), [](const std::string& warning) {
    return warning.starts_with("Dataset signs is meant for the domain 'wrods', of which nothing");
  }));
}

TEST_F(Run, APlanRefusesWhatTheRunWould) {
  const auto error_of_plan = [](const RunConfig& config) -> std::string {
    try {
      make_plan(config);
    } catch (const Error& error) {
      return error_chain(error);
    }
    return "no error";
  };
  RunConfig misspelt = config();
  misspelt.search.floors = {{"wrods", 0.1}};
  EXPECT_MENTIONS(error_of_plan(misspelt), "wrods");
  RunConfig scores = config();
  scores.validate.scores.emplace();
  scores.validate.scores->mixtures = scores.validate.scores->scores = folder_ / "nowhere.csv";
  EXPECT_MENTIONS(error_of_plan(scores), "nowhere.csv");
  RunConfig warm = config();
  warm.search.warm_start = {out("nowhere")};
  EXPECT_MENTIONS(error_of_plan(warm), "holds no journal.sqlite");
  RunConfig tokenizer = config();
  tokenizer.tokenizer = folder_ / "nowhere";
  EXPECT_MENTIONS(error_of_plan(tokenizer), "tokenizer: ");
  RunConfig import = config();
  import.components.import["digits"] = folder_ / "nowhere";
  EXPECT_MENTIONS(error_of_plan(import), "components.import.digits: ");
  RunConfig data = config();
  data.evaluate.tasks = {"arc_easy"};
  data.evaluate.data = folder_ / "letters.jsonl";
  EXPECT_MENTIONS(error_of_plan(data), "is a file; expected the folder of the tasks' data files");
  RunConfig huge = config();
  huge.model.hidden = 1 << 24;
  huge.model.intermediate = 1 << 20;
  EXPECT_MENTIONS(error_of_plan(huge), "of memory are free");
}

TEST_F(Run, WhatCannotWorkIsSaidBeforeAnythingIsTrained) {
  RunConfig conflict = config();
  conflict.search.constraints.min_share = {{"digits", 0.4}, {"signs", 0.4}};
  EXPECT_MENTIONS(error_of(conflict, "a"), "cannot hold together");
  EXPECT_FALSE(fs::exists(out("a") / "corpus"));

  // Only the tokens tell: 2,000 are a small part of the target.
  RunConfig few = config();
  few.search.constraints.max_epochs = 0.001;
  EXPECT_MENTIONS(error_of(few, "b"), "max_epochs");
  EXPECT_FALSE(fs::exists(out("b") / "base"));

  RunConfig missing = config();
  missing.components.import["digits"] = folder_ / "nothing";
  EXPECT_MENTIONS(error_of(missing, "c"), "no such folder");
  EXPECT_FALSE(fs::exists(out("c") / "corpus"));

  // Weights that are not whole.
  run_stages(config(), out("whole"), Stage::kTrain);
  fs::copy(out("whole") / "base", out("half"), fs::copy_options::recursive);
  fs::resize_file(out("half") / "model.safetensors",
                  fs::file_size(out("half") / "model.safetensors") / 2);
  RunConfig half = config();
  half.base = {};
  half.base.import = out("whole") / "base";
  half.validate.import["v1"] = {out("half"), {{"letters", 1}}, {}};
  EXPECT_MENTIONS(error_of(half, "e"), "model.safetensors");
  EXPECT_FALSE(fs::exists(out("e") / "corpus"));

  RunConfig warm = config();
  warm.search.warm_start = {out("nowhere")};
  EXPECT_MENTIONS(error_of(warm, "f"), "holds no journal.sqlite");
  EXPECT_FALSE(fs::exists(out("f") / "corpus"));

  write_file_atomically(folder_ / "one.jsonl", "{\"text\": \"The only document.\"}\n");
  RunConfig one = config();
  one.datasets["signs"].paths = {folder_ / "one.jsonl"};
  EXPECT_MENTIONS(error_of(one, "d"), "dataset 'signs': no text is held out to be scored");
  EXPECT_FALSE(fs::exists(out("d") / "base"));

  RunConfig epochs = config();
  epochs.search.constraints.max_epochs = 4;
  epochs.target_tokens.reset();
  EXPECT_THROW(epochs.check(), Error);
}

TEST_F(Run, ATrainingWhoseLossRisesIsWarnedOf) {
  RunConfig hot = config();
  hot.components.learning_rate = 3;
  EXPECT_TRUE(warned(run_stages(hot, out("a"), Stage::kTrain),
                     "The loss rose over the training of components/digits (from "));
}

TEST_F(Run, ADivergingModelStopsTheRunByName) {
  RunConfig wild = config();
  wild.components.learning_rate = 1e30;
  wild.train.clip_norm = 0;
  EXPECT_MENTIONS(error_of(wild, "a"), "training components/");
}

}  // namespace
}  // namespace demix
