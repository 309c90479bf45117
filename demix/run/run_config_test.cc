#include "demix/run/run_config.h"

#include <gtest/gtest.h>

#include <fstream>

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
  EXPECT_NE(message(std::string(kGood) + "validate: {references: 2}\n").find("at least 4"),
            std::string::npos);
  EXPECT_NE(message(std::string(kGood) + "validate: {references: 5, refine: 2}\n")
                .find("refine needs at least 6 references to learn from, there are 5"),
            std::string::npos);
}

TEST(RunConfig, MergeMethodsThatASearchCannotUseAreRefusedByName) {
  const auto merging = [](const std::string& merge) {
    return message(std::string(kGood) + "merge: {" + merge + "}\n");
  };
  EXPECT_EQ(merging("method: della, parameters: {density: 0.5, lambda: 1.1, normalize: false}"),
            "no error");
  EXPECT_EQ(merging("memory: disk, dtype: bfloat16"), "no error");
  const std::pair<std::string, std::string> wrong[] = {
      {"method: slerp", "merge: merge method slerp takes at most 2 models"},
      {"method: nuslerp", "merge: merge method nuslerp takes at most 2 models"},
      {"method: model_stock", "merge: merge method model_stock does not use weights"},
      {"method: sce", "merge: merge method sce does not use weights"},
      {"method: tiez", "ties"},
      {"parameters: {lambada: 1}", "lambda"},
      {"method: ties, parameters: {density: 1.5}", "density"},
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
  EXPECT_NE(message(with("components: {tokens: 1000}",
                         "components: {tokens: 1, mixture: {wiki: {wiki: 0.9, cod: 0.1}}}"))
                .find("components.mixture.wiki: there is no dataset 'cod'; did you mean 'code'?"),
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
