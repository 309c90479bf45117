#include "demix/run/run_config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/message_of.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

constexpr const char* kGood = R"(
tokenizer: tokenizer.json
datasets:
  wiki: {paths: [wiki.jsonl], domain: general}
  code: {paths: [code.jsonl], domain: code}
anchor: wiki
base: {tokens: 1000}
components: {tokens: 1000}
)";

std::string message(const std::string& text) {
  try {
    read_config<RunConfig>(ConfigNode::parse(text, "run.yaml"));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string with(std::string_view from, std::string_view to) {
  std::string text = kGood;
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(RunConfig, ReadsWhatItWrites) {
  RunConfig config = read_config<RunConfig>(ConfigNode::parse(kGood, "run.yaml"));
  const std::string text = write_config(config);
  RunConfig again = read_config<RunConfig>(ConfigNode::parse(text, "again.yaml"));
  EXPECT_EQ(write_config(again), text);
  EXPECT_EQ(again.components.tokens, 1000);
}

// Every value stands on a line of its own, so that a wrong line shows.
TEST(RunConfig, ABadValueIsNamedWithItsOwnLine) {
  const std::string good = R"(# one key on each line
tokenizer: tokenizer.json
threads: 1
model:
  family: llama
  heads: 4
datasets:
  wiki:
    paths: [wiki.jsonl]
    invalid_utf8: error
  code:
    paths: [code.jsonl]
    tokens: 1000
anchor: wiki
train:
  learning_rate: 0.1
  dtype: float32
base:
  tokens: 1000
  mixture:
    wiki: 1
components:
  tokens: 1000
  anchor_share: 0.5
  schedule:
    kind: cosine
    floor: 0.2
  mixture:
    wiki:
      wiki: 0.9
      code: 0.1
    code:
      wiki: 0.5
      code: 0.5
  import:
    code: /models/code
proxies: auto
merge:
  method: ties
  dtype: auto
  parameters:
    lambda: 1
    density: 0.5
evaluate:
  held_out:
    - wiki
  dtype: float32
  tokens_per_pass: 100
search:
  start: [dirichlet]
  predictor: auto
  current:
    wiki: 0.5
    code: 0.5
  sampler:
    min_strength: 1
  constraints:
    min_share:
      code: 0.1
    groups:
      both:
        datasets: [wiki, code]
        ratio: [1, 2]
  budget:
    proxies: 10
validate:
  references: 4
  import:
    first:
      folder: /models/first
      mixture:
        wiki: 0.5
        code: 0.5
    second:
      folder: /models/second
      mixture:
        wiki: 1
      tokens: 100
  bootstrap: 2000
target_tokens: 1000
)";
  ASSERT_EQ(message(good), "no error");
  const std::pair<std::string, std::string> wrong[] = {
      {"threads: 1", "threads: -1"},
      {"family: llama", "family: lama"},
      {"heads: 4", "heads: 0"},
      {"  code:\n    paths", "  co/de:\n    paths"},
      {"invalid_utf8: error", "invalid_utf8: errr"},
      {"tokens: 1000\nanchor", "tokens: 0\nanchor"},
      {"anchor: wiki", "anchor: wikk"},
      {"learning_rate: 0.1", "learning_rate: 0"},
      {"dtype: float32\nbase", "dtype: float16\nbase"},
      {"tokens: 1000\n  mixture", "tokens: 0\n  mixture"},
      {"mixture:\n    wiki: 1", "mixture:\n    wiki: 0.5"},
      {"tokens: 1000\n  anchor_share", "tokens: -1\n  anchor_share"},
      {"anchor_share: 0.5", "anchor_share: 50"},
      {"kind: cosine", "kind: cosin"},
      {"floor: 0.2", "floor: 20"},
      {"wiki:\n      wiki: 0.9", "wiki:\n      wiki: 0.8"},
      {"code:\n      wiki: 0.5", "cod:\n      wiki: 0.5"},
      {"code: /models/code", "cod: /models/code"},
      {"proxies: auto", "proxies: atuo"},
      {"method: ties", "method: tiez"},
      {"dtype: auto", "dtype: half"},
      {"lambda: 1", "lambada: 1"},
      {"density: 0.5", "density: 50"},
      {"held_out:\n    - wiki", "held_out:\n    - wikk"},
      {"dtype: float32\n  tokens_per_pass", "dtype: float16\n  tokens_per_pass"},
      {"tokens_per_pass: 100", "tokens_per_pass: 0"},
      {"start: [dirichlet]", "start: [dirichlt]"},
      {"predictor: auto", "predictor: rigde"},
      {"current:\n    wiki: 0.5", "current:\n    wiki: 0.7"},
      {"min_strength: 1", "min_strength: 100"},
      {"code: 0.1\n    groups", "code: 10\n    groups"},
      {"ratio: [1, 2]", "ratio: [1, 2, 3]"},
      {"proxies: 10", "proxies: 0"},
      {"references: 4", "references: -4"},
      {"first:\n", "found:\n"},
      {"folder: /models/first", "folder: ''"},
      {"mixture:\n        wiki: 0.5", "mixture:\n        wiki: 0.6"},
      {"wiki: 1\n      tokens", "wikk: 1\n      tokens"},
      {"tokens: 100\n  bootstrap", "tokens: 0\n  bootstrap"},
      {"bootstrap: 2000", "bootstrap: 20"},
      {"references: 4", "references: 2000000000"},
      {"threads: 1", "threads: 100000"},
      {"current:\n    wiki: 0.5", "current:\n    wiki: 50"},
      {"code: 0.1\n    groups", "cod: 0.1\n    groups"},
      {"target_tokens: 1000", "target_tokens: 0"}};
  for (const auto& [from, to] : wrong) {
    std::string text = good;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    const std::string expected =
        fmt::format("run.yaml:{}: ", 1 + std::count(text.begin(), text.begin() + at, '\n'));
    const std::string found = message(text);
    EXPECT_TRUE(found.starts_with(expected)) << to << "\n" << expected << "\n" << found;
  }
}

TEST(RunConfig, LaterErrorsGetTheirPlaceByTheKeyThatTheyBeginWith) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.write("run.yaml", kGood);
  const auto placed = [&](const std::string& message) {
    return message_of([&] { with_places(file, [&] { throw Error("{}", message); }); });
  };
  EXPECT_EQ(placed("datasets.code.paths: no files"),
            file.string() + ":5: datasets.code.paths: no files");
  EXPECT_EQ(placed("tokenizer: no file"), file.string() + ":2: tokenizer: no file");
  EXPECT_EQ(placed("base and components take 5 GB"), "base and components take 5 GB");
  EXPECT_EQ(placed("runs/a: is in use"), "runs/a: is in use");
  EXPECT_EQ(placed("base.v2: cannot be created"), "base.v2: cannot be created");
  EXPECT_EQ(placed("search.rounds: too many"), file.string() + ": search.rounds: too many");
  EXPECT_EQ(placed("evaluate: nothing to score"), file.string() + ": evaluate: nothing to score");
}

TEST(RunConfig, ATrainingCommandIsCheckedBeforeAnyWork) {
  const auto of = [](const std::string& command) {
    return message(with("components: {tokens: 1000}",
                        "components: {tokens: 1000, command: '" + command + "'}"));
  };
  EXPECT_EQ(of("train {mixture} {output}"), "no error");
  EXPECT_NE(of("train {mixture}").find("components: command: expected {output} in: train"),
            std::string::npos);
  EXPECT_NE(of("train {mixtur} {output}").find("unknown placeholder '{mixtur}'"),
            std::string::npos);
}

TEST(RunConfig, AnEvaluationCommandIsCheckedBeforeAnyWork) {
  const auto of = [](const std::string& keys) {
    return message(std::string(kGood) + "evaluate: {" + keys + "}\n");
  };
  EXPECT_EQ(of("command: 'run {model} {output}', domains: {a: ['quiz:acc']}"), "no error");
  EXPECT_NE(of("command: 'run {model}', domains: {a: ['quiz:acc']}").find("expected {output}"),
            std::string::npos);
  EXPECT_NE(of("command: 'run {model} {output} {x}', domains: {a: ['quiz:acc']}")
                .find("unknown placeholder '{x}'"),
            std::string::npos);
  EXPECT_NE(of("command: 'run {model} {output}'").find("name its scores under domains"),
            std::string::npos);
  EXPECT_NE(of("lower_is_better: [loss]").find("is of the metrics of a command"),
            std::string::npos);
}

TEST(RunConfig, BadValuesAreRefusedBeforeAnyWork) {
  EXPECT_EQ(message(kGood), "no error");
  EXPECT_NE(message(with("anchor: wiki", "anchor: wikk")).find("did you mean 'wiki'?"),
            std::string::npos);
  EXPECT_NE(
      message(with("base: {tokens: 1000}", "base: {tokens: 10, mixture: {wiki: 0.5, code: 0.4}}"))
          .find("base.mixture"),
      std::string::npos);
  EXPECT_NE(message(with("anchor: wiki", "anchr: wiki"))
                .find("unknown key 'anchr'; did you mean 'anchor'?"),
            std::string::npos);
  EXPECT_NE(message(with("components: {tokens: 1000}", "components: {tokens: 1, anchor_share: 1}"))
                .find("anchor_share is 1"),
            std::string::npos);
  EXPECT_NE(message(with("  code:", "  ../code:")).find("cannot be a folder name"),
            std::string::npos);
  EXPECT_NE(message(std::string(kGood) + "validate: {references: 2}\n").find("from 4 to"),
            std::string::npos);
  EXPECT_NE(message(std::string(kGood) + "validate: {references: 5, refine: 2}\n")
                .find("refine needs at least 6 references to learn from, there are 5"),
            std::string::npos);
}

TEST(RunConfig, NamesThatAreNoneOrTooLongOrTwiceAreRefused) {
  EXPECT_MENTIONS(message(with("  code:", "  '':")), "run.yaml:3: datasets.: cannot be a folder");
  EXPECT_MENTIONS(message(with("  code:", "  " + std::string(201, 'x') + ":")),
                  "run.yaml:5: datasets.xxx");
  const std::string good = kGood;
  EXPECT_MENTIONS(message(good + "evaluate:\n  domains: {'': [held_out/wiki]}\n"),
                  "run.yaml:10: evaluate: domains: one has no name");
  EXPECT_MENTIONS(message(good + "evaluate:\n  data: /d\n  tasks: [piqa, sciq, piqa]\n"),
                  "run.yaml:11: evaluate: tasks: 'piqa' is named twice");
  EXPECT_MENTIONS(message(good + "evaluate:\n  held_out: [wiki, wiki]\n"),
                  "held_out: 'wiki' is named twice");
}

TEST(RunConfig, WhatWouldFailOrBeIgnoredLaterIsRefusedAtOnce) {
  const std::string good = kGood;
  EXPECT_MENTIONS(message(with("base: {tokens: 1000}", "base: {import: /b, tokens: 1000}")),
                  "run.yaml:7: base: give either import or tokens");
  EXPECT_MENTIONS(message(good + "search:\n  weights: {general: 0, code: 0}\n"),
                  "run.yaml:10: search.weights: no domain has a weight above 0");
  EXPECT_MENTIONS(message(good + "search:\n  budget:\n    items: 100\n"),
                  "run.yaml:11: search.budget.items: counts the items of evaluate.tasks");
  EXPECT_EQ(message(good + "search: {budget: {items: 9}}\nevaluate: {tasks: [piqa], data: /d}\n"),
            "no error");
  const std::string imported =
      with("components: {tokens: 1000}", "components: {import: {wiki: /w, code: /c}}");
  EXPECT_MENTIONS(message(imported), "run.yaml: validate.tokens: needed where all components are");
  EXPECT_EQ(message(imported + "validate: {tokens: 1000}\n"), "no error");
  EXPECT_EQ(message(imported + "validate: {references: 0}\n"), "no error");
}

TEST(RunConfig, MergeMethodsThatASearchCannotUseAreRefusedByName) {
  const auto merging = [](const std::string& merge) {
    return message(std::string(kGood) + "merge: {" + merge + "}\n");
  };
  EXPECT_EQ(merging("method: della, parameters: {density: 0.5, lambda: 1.1, normalize: false}"),
            "no error");
  EXPECT_EQ(merging("memory: disk, dtype: bfloat16"), "no error");
  const std::pair<std::string, std::string> wrong[] = {
      {"method: slerp", "merge.method: merge method slerp takes at most 2 models"},
      {"method: nuslerp", "merge.method: merge method nuslerp takes at most 2 models"},
      {"method: model_stock", "merge.method: merge method model_stock does not use weights"},
      {"method: sce", "merge.method: merge method sce does not use weights"},
      {"method: tiez", "ties"},
      {"parameters: {lambada: 1}", "merge.parameters.lambada: merge method linear has no"},
      {"method: ties, parameters: {density: 1.5}", "merge.parameters.density: "},
      {"parameters: {weight: 1}", "a search sets the weights itself"},
      {"memory: attic", "merge: memory: 'attic' is not known"},
      {"dtype: int8", "merge: dtype: 'int8' is not known"}};
  for (const auto& [merge, expected] : wrong) {
    const std::string error = merging(merge);
    EXPECT_NE(error.find(expected), std::string::npos) << error;
  }
}

TEST(RunConfig, AComponentsOwnMixtureReplacesTheAnchorShare) {
  const RunConfig config = read_config<RunConfig>(ConfigNode::parse(
      with("components: {tokens: 1000}",
           "components: {tokens: 1, anchor_share: 0.25, mixture: {wiki: {wiki: 0.9, code: 0.1}}}"),
      "run.yaml"));
  const Composition composition = composition_of(config);  // datasets in the order code, wiki
  EXPECT_DOUBLE_EQ(composition.at(0, 0), 0.75);
  EXPECT_DOUBLE_EQ(composition.at(0, 1), 0.25);
  EXPECT_DOUBLE_EQ(composition.at(1, 0), 0.1);
  EXPECT_DOUBLE_EQ(composition.at(1, 1), 0.9);
  EXPECT_NE(
      message(with("components: {tokens: 1000}",
                   "components: {tokens: 1, mixture: {wiki: {wiki: 0.9, cod: 0.1}}}"))
          .find("components.mixture.wiki.cod: there is no dataset 'cod'; did you mean 'code'?"),
      std::string::npos);
  EXPECT_NE(message(with("components: {tokens: 1000}",
                         "components: {tokens: 1, mixture: {wiki: {wiki: 0.9}}}"))
                .find("components.mixture.wiki: weights sum to 0.9"),
            std::string::npos);
}

TEST(RunConfig, AStageChangesOnlyWhatItNames) {
  TrainConfig common;
  common.learning_rate = 1;
  common.clip_norm = 7;
  StageTraining stage;
  stage.learning_rate = 2;
  EXPECT_EQ(training_of(common, stage).learning_rate, 2);
  EXPECT_EQ(training_of(common, stage).clip_norm, 7);
  EXPECT_EQ(training_of(common, {}).learning_rate, 1);
}

}  // namespace
}  // namespace demix
