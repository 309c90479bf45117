#include "demix/evaluate/gsm8k_answer.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

TEST(Gsm8kAnswer, StrictTakesTheFirstMarkedNumber) {
  EXPECT_EQ(gsm8k_strict_answer("It is 7.\n#### 1,234.50\n#### 8"), "1,234.50");
  EXPECT_EQ(gsm8k_strict_answer("#### -3"), "-3");
  EXPECT_EQ(gsm8k_strict_answer("##### 5"), "5");          // found one character later
  EXPECT_EQ(gsm8k_strict_answer("#### $5\n#### 6"), "6");  // a dollar sign is no number
  EXPECT_EQ(gsm8k_strict_answer("####5 and 6"), "[invalid]");
  EXPECT_EQ(gsm8k_strict_answer("#### -"), "[invalid]");
  EXPECT_EQ(gsm8k_strict_answer(""), "[invalid]");
}

TEST(Gsm8kAnswer, FlexibleTakesTheLastNumber) {
  EXPECT_EQ(gsm8k_flexible_answer("3 + 4 = 7 apples"), "7");
  EXPECT_EQ(gsm8k_flexible_answer("so it costs $1,200.00."), "$1,200.00.");
  EXPECT_EQ(gsm8k_flexible_answer("-5 and a - b"), "-5");
  EXPECT_EQ(gsm8k_flexible_answer("12. Well.."), "..");  // two characters are enough
  EXPECT_EQ(gsm8k_flexible_answer("a $ sign."), "[invalid]");
  EXPECT_EQ(gsm8k_flexible_answer("5--6"), "-6");
}

TEST(Gsm8kAnswer, EqualityIgnoresCommasDollarsSolutionAndOneFullStop) {
  const char* gold = "He has 2*600=<<2*600=1200>>1200.\n#### 1,200";
  EXPECT_TRUE(gsm8k_answers_equal("1200", gold));
  EXPECT_TRUE(gsm8k_answers_equal("$1,200.", gold));
  EXPECT_FALSE(gsm8k_answers_equal("1200.00", gold));  // text, not numbers, as in the harness
  EXPECT_FALSE(gsm8k_answers_equal("1200..", gold));
  EXPECT_FALSE(gsm8k_answers_equal("[invalid]", gold));
  EXPECT_EQ(normalized_gsm8k_answer("#### A.\n"), "a\n");
}

}  // namespace
}  // namespace demix
