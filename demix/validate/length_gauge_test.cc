#include "demix/validate/length_gauge.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

LengthSigns signs(std::vector<double> early) {
  return {{"general"}, 0.4, {std::move(early)}, {{1, 2, 3, 4, 5, 6}}};
}

TEST(LengthGauge, IsTheAgreementOfEarlyAndWholeComponents) {
  const auto same = read_length(signs({2, 4, 6, 8, 10, 12}));
  ASSERT_TRUE(same);
  EXPECT_DOUBLE_EQ(same->value, 1);
  EXPECT_TRUE(same->warning.empty());
  EXPECT_EQ(same->verdict,
            "Nothing says that the components are too short: after 40 % of their training they "
            "ranked mixtures as "
            "now with a Spearman of 1.00 (general 1.00).");
  const auto nearly = read_length(signs({2, 1, 3, 4, 5, 6}));
  EXPECT_NEAR(nearly->value, 1 - 6.0 * 2 / (6 * 35), 1e-12);
  EXPECT_TRUE(nearly->verdict.starts_with("Longer components may")) << nearly->verdict;
  EXPECT_TRUE(nearly->warning.empty());
  const auto reversed = read_length(signs({6, 5, 4, 3, 2, 1}));
  EXPECT_DOUBLE_EQ(reversed->value, -1);
  EXPECT_NE(reversed->warning.find("may have been trained too little"), std::string::npos);
}

TEST(LengthGauge, SaysNothingOfTooFewMixturesOrConstantScores) {
  EXPECT_FALSE(read_length({{"general"}, 0.4, {{1, 2, 3, 4}}, {{1, 2, 3, 4}}}));
  EXPECT_FALSE(read_length(signs({1, 1, 1, 1, 1, 1})));
}

}  // namespace
}  // namespace demix
