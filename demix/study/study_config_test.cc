#include "demix/study/study_config.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "tests/message_of.h"

namespace demix {
namespace {

std::string with(const std::string& study) {
  return R"(
tokenizer: tokenizer.json
datasets:
  wiki: {paths: [wiki.jsonl], domain: general}
  code: {paths: [code.jsonl], domain: code}
anchor: wiki
base: {tokens: 1000}
components: {tokens: 1000, learning_rate: 0.01}
study:
)" + study;
}

StudyConfig read(const std::string& study) {
  return read_config<StudyConfig>(ConfigNode::parse(with(study), "study.yaml"));
}

std::string message(const std::string& study) {
  try {
    read(study);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(StudyConfig, AnArmChangesWhatItNamesAndNothingElse) {
  const StudyConfig config = read("  arms: {short: {tokens: 100, anchor_share: 0.25}, same: {}}\n");
  const RunConfig changed = run_config_of(config, config.study.arms.at("short"));
  EXPECT_EQ(changed.components.tokens, 100);
  EXPECT_EQ(changed.components.anchor_share, 0.25);
  EXPECT_EQ(changed.components.learning_rate, 0.01);
  EXPECT_EQ(run_config_of(config, config.study.arms.at("same")).components.tokens, 1000);
}

TEST(StudyConfig, ReadsWhatItWrites) {
  StudyConfig config = read("  arms: {short: {tokens: 100, merges: {ties: {method: ties}}}}\n");
  const std::string text = write_config(config);
  StudyConfig again = read_config<StudyConfig>(ConfigNode::parse(text, "again.yaml"));
  EXPECT_EQ(write_config(again), text);
}

TEST(StudyConfig, WithoutASectionThereIsNothingToStudy) {
  std::string text = with("");
  text.erase(text.find("study:"));
  EXPECT_EQ(message_of([&] { read_config<StudyConfig>(ConfigNode::parse(text, "run.yaml")); }),
            "run.yaml: study.arms: name at least one, such as 'full: {}'");
}

TEST(StudyConfig, BadValuesAreRefusedBeforeAnyWork) {
  EXPECT_MENTIONS(message("  references: 8\n"), "arms: name at least one");
  EXPECT_MENTIONS(message("  references: 3\n  arms: {a: {}}\n"), "references is 3");
  EXPECT_MENTIONS(message("  arms: {a/b: {}}\n"), "cannot be a folder name");
  EXPECT_MENTIONS(message("  arms: {a: {seeds: [1, 1]}}\n"), "the same seed twice");
  EXPECT_MENTIONS(message("  arms: {a: {seeds: []}}\n"), "at least one seed");
  EXPECT_MENTIONS(message("  arms: {a: {tokens: 0}}\n"), "tokens is 0");
  for (const char* name : {"ensemble", "merge", "shares_8"})
    EXPECT_MENTIONS(
        message(fmt::format("  arms: {{a: {{merges: {{{}: {{method: ties}}}}}}}}\n", name)),
        fmt::format("arms.a.merges.{}: every study has", name));
  EXPECT_MENTIONS(message("  shorter: {a/b: 10}\n  arms: {a: {}}\n"),
                  "shorter.a/b: cannot be a folder");
  EXPECT_MENTIONS(message("  arms: {a: {}}\n  decisions: {refined: 0}\n"), "refined is 0");
  EXPECT_MENTIONS(message("  arms: {a: {}}\n  decisions: {choosers: [ensembel]}\n"),
                  "did you mean 'ensemble'?");
  EXPECT_MENTIONS(message("  arms: {a: {}}\n  decisions: {choosers: [refined], taught: 40}\n"),
                  "there are 32 references");
  EXPECT_MENTIONS(message("  arms: {a: {}}\n  decisions: {taught: 2}\n"), "taught is 2");
  EXPECT_MENTIONS(message("  arms: {a: {anchor_share: 1}}\n"), "anchor_share is 1");
  EXPECT_MENTIONS(message("  arms: {a: {}}\n  decisions: {arms: [b]}\n"), "there is no arm 'b'");
  EXPECT_MENTIONS(message("  arms: {a: {foretells: false}}\n"), "at least one must foretell");
  EXPECT_MENTIONS(message("  arms: {a: {}, b: {foretells: false}}\n  decisions: {arms: [b]}\n"),
                  "no chooser can learn");
  EXPECT_MENTIONS(message("  arms: {a: {merges: {m: {method: tise}}}}\n"), "study.arms.a.merges.m");
  EXPECT_MENTIONS(message("  arms: {a: {sedes: 1}}\n"), "did you mean 'seeds'?");
}

}  // namespace
}  // namespace demix
