#include "demix/evaluate/prompt.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "demix/core/error.h"

namespace demix {
namespace {

std::string render(std::string_view prompt, const char* row) {
  return Prompt::parse(prompt, "a.yaml:3: context").render(Json::parse(row), "a.jsonl: row 2");
}

std::string message(std::string_view prompt, const char* row) {
  try {
    render(prompt, row);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Prompt, FieldsMembersAndElementsAreFilledIn) {
  EXPECT_EQ(
      render("Q: {q} {a.b[1][0]}\nA:{{{n}}}", R"({"q": "why", "a": {"b": [0, ["x"]]}, "n": 3})"),
      "Q: why x\nA:{3}");
}

TEST(Prompt, TransformsApplyFromLeftToRight) {
  EXPECT_EQ(render("{s|after:_|strip}", R"({"s": "so _ got it. _"})"), "got it. _");
  EXPECT_EQ(render("{s|before:_}{o}", R"({"s": "so _ got", "o": "Ann"})"), "so Ann");
  EXPECT_EQ(render("{s|strip|capitalize}", R"({"s": " hE "})"), "He");
  EXPECT_EQ(render("{s|strip_left|words}.", R"({"s": " us_foreign_policy "})"),
            "us foreign policy .");
  EXPECT_EQ(render("{s|before_last: }/{s|after_last: }", R"({"s": "to the last word"})"),
            "to the last/word");
}

TEST(Prompt, WikihowCleansAsTheHarnessDoes) {
  // Expected value of lm-evaluation-harness' hellaswag preprocess().
  EXPECT_EQ(render("{s|wikihow}", R"({"s": " A [title] B  c [step] d[x\n] [substeps]e "})"),
            "A. B c d[x\n] e");
}

TEST(Prompt, AListIsRenderedOnlyByASinglePlaceholder) {
  const Json row = Json::parse(R"({"c": {"text": ["a", "b"]}, "d": "e"})");
  EXPECT_EQ(Prompt::parse("{c.text}", "").render_list(row, ""),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Prompt::parse("{d}", "").render_list(row, ""), (std::vector<std::string>{"e"}));
  EXPECT_THROW(Prompt::parse("x{c.text}", "").render_list(row, ""), Error);
}

TEST(Prompt, AMissingFieldIsNamedWithRowPromptAndNearestField) {
  EXPECT_EQ(message("{qestion}", R"({"question": "why"})"),
            "a.jsonl: row 2: no field 'qestion', which a.yaml:3: context asks for; there are: "
            "question; did you "
            "mean 'question'?");
  EXPECT_EQ(message("{a[1]}", R"({"a": ["x"]})"),
            "a.jsonl: row 2: no element [1], which a.yaml:3: context asks for; the list has 1");
  EXPECT_EQ(message("{a|after_last: }", R"({"a": "word"})"),
            "a.jsonl: row 2: a.yaml:3: context: expected ' ' in the text 'word'");
  EXPECT_EQ(message("{a}", R"({"a": null})"),
            "a.jsonl: row 2: expected text or a number for a.yaml:3: context, found null");
}

TEST(Prompt, AWrongPromptIsRefusedWithItsPlace) {
  EXPECT_EQ(message("{q|capitalise}", "{}"),
            "a.yaml:3: context: unknown transform 'capitalise'; known are strip, strip_left, "
            "capitalize, words, before, after, before_last, after_last, wikihow");
  EXPECT_EQ(message("{q|before}", "{}"),
            "a.yaml:3: context: transform 'before' needs a text, as in 'before:_'");
  EXPECT_EQ(message("{q", "{}"),
            "a.yaml:3: context: '{' without '}' in '{q'; write '{{' for a brace");
  EXPECT_EQ(message("q}", "{}"),
            "a.yaml:3: context: '}' without '{' in 'q}'; write '}}' for a brace");
  EXPECT_EQ(
      message("{}", "{}"),
      "a.yaml:3: context: expected a field such as {question} or {choices.text[0]}, found '{}'");
  EXPECT_EQ(message("{a[x]}", "{}"),
            "a.yaml:3: context: expected a field such as {question} or {choices.text[0]}, found "
            "'{a[x]}'");
}

}  // namespace
}  // namespace demix
