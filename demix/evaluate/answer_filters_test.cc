#include "demix/evaluate/answer_filters.h"

#include <gtest/gtest.h>

#include "demix/evaluate/judge.h"

namespace demix {
namespace {

// What the filters of gsm8k.yaml leave of a text.
std::string extracted(std::string_view text, size_t pipeline) {
  return AnswerComparison(gsm8k_rules())
      .compare(text, std::vector<std::string>{"x"})[pipeline]
      .extracted;
}

TEST(AnswerFilters, StrictTakesTheFirstMarkedNumber) {
  EXPECT_EQ(extracted("It is 7.\n#### 1,234.50\n#### 8", 0), "1,234.50");
  EXPECT_EQ(extracted("#### -3", 0), "-3");
  EXPECT_EQ(extracted("##### 5", 0), "5");          // found one character later
  EXPECT_EQ(extracted("#### $5\n#### 6", 0), "6");  // a dollar sign is no number
  EXPECT_EQ(extracted("####5 and 6", 0), "[invalid]");
  EXPECT_EQ(extracted("#### -", 0), "[invalid]");
  EXPECT_EQ(extracted("", 0), "[invalid]");
}

TEST(AnswerFilters, FlexibleTakesTheLastNumber) {
  EXPECT_EQ(extracted("3 + 4 = 7 apples", 1), "7");
  EXPECT_EQ(extracted("so it costs $1,200.00.", 1), "$1,200.00.");
  EXPECT_EQ(extracted("-5 and a - b", 1), "-5");
  EXPECT_EQ(extracted("12. Well..", 1), "..");  // two characters are enough
  EXPECT_EQ(extracted("a $ sign.", 1), "[invalid]");
  EXPECT_EQ(extracted("5--6", 1), "-6");
}

TEST(AnswerFilters, EqualityIgnoresWhatTheRulesSay) {
  AnswerRules rules = gsm8k_rules();
  rules.pipelines = {{"exact_match", {}}};
  const std::vector<std::string> gold{"He has 2*600=<<2*600=1200>>1200.\n#### 1,200"};
  const auto right = [&](std::string_view answer) {
    return AnswerComparison(rules).compare(answer, gold)[0].right;
  };
  EXPECT_TRUE(right("1200"));
  EXPECT_TRUE(right("$1,200."));
  EXPECT_FALSE(right("1200.00"));  // text, not numbers, as in the harness
  EXPECT_FALSE(right("1200.."));
  EXPECT_FALSE(right("[invalid]"));
  EXPECT_EQ(AnswerComparison(rules).compared("#### A.\n"), "a\n");
  rules.exact_match = {.regexes_to_ignore = {},
                       .ignore_case = true,
                       .ignore_punctuation = true,
                       .ignore_numbers = true};
  EXPECT_EQ(AnswerComparison(rules).compared("The 3 \xC3\x89tats-Unis!"), "the  \xC3\xA9tatsunis");
}

TEST(AnswerFilters, OneOfSeveralGoldAnswersIsEnough) {
  AnswerFilter lower;
  lower.kind = AnswerFilter::Kind::kLowercase;
  AnswerFilter strip;
  strip.kind = AnswerFilter::Kind::kRemoveWhitespace;
  const AnswerRules rules{{{"exact_match", {strip, lower}}}, {}};
  const auto verdict = AnswerComparison(rules).compare(
      " \xCE\x91\xCE\xA3 ", std::vector<std::string>{"x", "\xCE\xB1\xCF\x82"});
  EXPECT_EQ(verdict[0].extracted, "\xCE\xB1\xCF\x82");  // a sigma at the end of a word
  EXPECT_TRUE(verdict[0].right);
}

TEST(AnswerFilters, AMatchThatIsNotThereLeavesTheFallback) {
  AnswerFilter third;
  third.pattern = R"((\d)(x)?)";
  third.group_select = 2;
  third.fallback = "none";
  const AnswerRules rules{{{"exact_match", {third}}}, {}};
  const AnswerComparison comparison(rules);
  EXPECT_EQ(comparison.compare("1 2", std::vector<std::string>{""})[0].extracted, "none");
  EXPECT_EQ(comparison.compare("1 2 3x", std::vector<std::string>{""})[0].extracted, "3");
}

// By hand from MultiChoiceRegexFilter of lm_eval/filters/extraction.py; tools/parity compares many.
TEST(AnswerFilters, AChoiceIsFoundByItsLetterOrItsText) {
  AnswerFilter filter;
  filter.kind = AnswerFilter::Kind::kMultiChoiceRegex;
  filter.pattern = R"((\([A-Z]\)))";
  filter.ignore_case = true;
  filter.ignore_punctuation = true;
  filter.regexes_to_ignore = {"^the "};
  const AnswerRules rules{{{"exact_match", {filter}}}, {}};
  EXPECT_TRUE(rules.need_choices());
  EXPECT_FALSE(gsm8k_rules().need_choices());
  const AnswerComparison comparison(rules);
  const std::vector<std::string> choices{"Guilty", " Guilty of Romance. ", "1 + 1 = 2?", "the cat"};
  const auto found = [&](std::string_view answer) {
    return comparison.compare(answer, std::vector<std::string>{"(B)"}, choices)[0];
  };
  EXPECT_EQ(found("It is (C) or (B).").extracted, "(C)");
  EXPECT_EQ(found("guilty OF romance").extracted, "(B)");  // not the shorter (A)
  EXPECT_TRUE(found("guilty OF romance").right);
  EXPECT_EQ(found("I say: guilty!").extracted, "(A)");
  EXPECT_EQ(found("1 + 1 = 2").extracted, "(C)");
  EXPECT_EQ(found("a CAT").extracted, "(D)");  // without what is ignored
  EXPECT_EQ(found("Answer:  B").extracted, "(B)");
  EXPECT_EQ(found("Answer: E").extracted, "[invalid]");
}

}  // namespace
}  // namespace demix
