#include "demix/validate/promised_gains.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace demix {
namespace {

TEST(PromisedGains, AreTheSlopeOfWhatIsRealWithItsInterval) {
  const std::vector<double> foretold = {0, 1, 2, 3, 4, 5};
  const auto exact = promised_gains(foretold, std::vector<double>{0, 2, 4, 6, 8, 10});
  EXPECT_DOUBLE_EQ(exact->slope, 2);
  EXPECT_NEAR(exact->low, 2, 1e-9);
  EXPECT_NEAR(exact->high, 2, 1e-9);
  // By hand: Σxx 17.5, Σxy 8.75, Σyy 5.875; residuals 1.5 on four degrees, t 2.776.
  const auto noisy = promised_gains(foretold, std::vector<double>{0, 0, 2, 1, 2, 2.5});
  EXPECT_NEAR(noisy->slope, 0.5, 1e-12);
  EXPECT_NEAR((noisy->high - noisy->low) / 2, 2.776 * std::sqrt(1.5 / 4 / 17.5), 5e-3);
}

TEST(PromisedGains, AreNotKnownOfFewReferencesOrOfTheSame) {
  EXPECT_FALSE(promised_gains(std::vector<double>{1, 2, 3, 4}, std::vector<double>{1, 2, 3, 4}));
  EXPECT_FALSE(
      promised_gains(std::vector<double>{1, 1, 1, 1, 1}, std::vector<double>{1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace demix
