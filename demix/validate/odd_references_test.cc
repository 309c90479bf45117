#include "demix/validate/odd_references.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace demix {
namespace {

// Eight references in three domains; choosers that foretell them nearly.
ReferenceScores trained() {
  return {{1, 2, 3, 4, 5, 6, 7, 8}, {3, 1, 4, 8, 5, 2, 6, 7}, {8, 3, 6, 2, 7, 1, 5, 4}};
}
std::vector<ReferenceScores> choosers() {
  ReferenceScores nearly = trained();
  std::swap(nearly[0][2], nearly[0][3]);
  std::swap(nearly[1][4], nearly[1][6]);
  return {trained(), nearly};
}

TEST(OddReferences, NoneIsOddWhereAllAreForetold) { EXPECT_FALSE(find_odd(choosers(), trained())); }

TEST(OddReferences, OneWithAnotherMixtureIsFound) {
  ReferenceScores scores = trained();
  // Its scores are those of a model of quite another mixture.
  scores[0][0] = 9;
  scores[1][0] = 9;
  scores[2][0] = 0;
  const auto odd = find_odd(choosers(), scores);
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->which, std::vector<size_t>{0});
  EXPECT_DOUBLE_EQ(odd->without, 1);
  // Σ d² = 7² + 7 · 1² in the first domain, 5² + 5 · 1 in the second, 7² + 7 · 1 in the third.
  EXPECT_NEAR(odd->agreement, (3 - (56. + 30 + 56) / 84) / 3, 1e-12);
}

TEST(OddReferences, TwoThatWereExchangedAreFoundTogether) {
  ReferenceScores scores(3, {1, 2, 3, 4, 5, 6, 7, 8});
  const std::vector<ReferenceScores> foretold = {scores};
  for (std::vector<double>& domain : scores) std::swap(domain[2], domain[5]);
  auto odd = find_odd(foretold, scores);
  ASSERT_TRUE(odd);
  std::sort(odd->which.begin(), odd->which.end());
  EXPECT_EQ(odd->which, (std::vector<size_t>{2, 5}));
  EXPECT_NEAR(odd->agreement, 1 - 6. * 18 / 504, 1e-12);
  EXPECT_DOUBLE_EQ(odd->without, 1);
  EXPECT_FALSE(find_odd(foretold, scores, kWithoutShares)) << "choosers may err together";
}

TEST(OddReferences, NothingIsSaidOfTooFewOrWhereAllScoresAreTheSame) {
  const ReferenceScores backwards = {{9, 7, 6, 5, 4, 3, 2, 1}};
  EXPECT_FALSE(find_odd(std::vector<ReferenceScores>{{{1, 2, 3, 4, 5}}}, {{9, 1, 2, 3, 4}}));
  EXPECT_FALSE(find_odd(std::vector<ReferenceScores>{{{1, 1, 1, 1, 1, 1, 1, 1}}}, backwards));
}

}  // namespace
}  // namespace demix
