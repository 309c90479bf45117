#include "demix/evaluate/math_number.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

using Complex = std::complex<long double>;

TEST(MathNumber, FractionsAreExact) {
  const MathNumber third = MathNumber(1) / 3;
  EXPECT_TRUE(nearly_equal(third + third + third, 1));
  EXPECT_TRUE((third * MathNumber::of_digits("0.75")).is_exact());
  EXPECT_TRUE(nearly_equal(third * MathNumber::of_digits("0.75"), MathNumber::of_digits(".25")));
  EXPECT_FALSE(nearly_equal(third, MathNumber::of_digits("0.33333333333333333")));
  EXPECT_TRUE(nearly_equal(MathNumber(-2) / -4, MathNumber(1) / 2));
}

TEST(MathNumber, WhatDoesNotFitIsApproximated) {
  const MathNumber large = power(MathNumber(10), 60);
  EXPECT_FALSE(large.is_exact());
  EXPECT_TRUE(nearly_equal(large / power(MathNumber(10), 59), 10));
  EXPECT_TRUE(power(MathNumber(2), 100).is_exact());
  EXPECT_FALSE(nearly_equal(power(MathNumber(2), 100), power(MathNumber(2), 100) + 1));
}

TEST(MathNumber, RootsAgreeInFifteenDigits) {
  const MathNumber half = MathNumber(1) / 2;
  EXPECT_TRUE(
      nearly_equal(power(MathNumber(12), half), MathNumber(2) * power(MathNumber(3), half)));
  EXPECT_FALSE(nearly_equal(power(MathNumber(2), half), MathNumber::of_digits("1.41421356237309")));
  EXPECT_TRUE(nearly_equal(power(MathNumber(-1), half), MathNumber(Complex(0, 1))));
}

TEST(MathNumber, WhatIsNotFiniteEqualsNothing) {
  const MathNumber nothing = MathNumber(1) / 0;
  EXPECT_FALSE(nothing.is_finite());
  EXPECT_FALSE(nearly_equal(nothing, nothing));
  EXPECT_FALSE(factorial(MathNumber(-1)).is_finite());
  EXPECT_FALSE(factorial(MathNumber(1) / 2).is_finite());
  EXPECT_FALSE(power(MathNumber(0), -1).is_finite());
}

TEST(MathNumber, PowersAndFactorialsAreThoseOfIntegers) {
  EXPECT_TRUE(nearly_equal(power(MathNumber(2), -3), MathNumber(1) / 8));
  EXPECT_TRUE(nearly_equal(power(MathNumber(0), 0), 1));
  EXPECT_TRUE(nearly_equal(factorial(MathNumber(5)), 120));
  EXPECT_EQ(factorial(MathNumber(5)).small_integer(), 120);
  EXPECT_EQ((MathNumber(1) / 2).small_integer(), std::nullopt);
}

}  // namespace
}  // namespace demix
