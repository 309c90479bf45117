#include "demix/evaluate/math_number.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace demix {
namespace {

using Integer = __int128;

// The results of exact operations, or nothing where they do not fit.
std::optional<Integer> product(Integer a, Integer b) {
  Integer result = 0;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}
std::optional<Integer> sum(std::optional<Integer> a, std::optional<Integer> b) {
  Integer result = 0;
  if (!a || !b || __builtin_add_overflow(*a, *b, &result)) return std::nullopt;
  return result;
}

Integer greatest_common_divisor(Integer a, Integer b) {
  while (b != 0) a = std::exchange(b, a % b);
  return a < 0 ? -a : a;
}

}  // namespace

MathNumber::MathNumber(Integer numerator, Integer denominator) {
  // Negating the smallest integer would overflow.
  if (numerator == std::numeric_limits<Integer>::min() ||
      denominator == std::numeric_limits<Integer>::min()) {
    approximation_ = static_cast<long double>(numerator) / static_cast<long double>(denominator);
    return;
  }
  const Integer divisor = greatest_common_divisor(numerator, denominator);
  const Integer sign = denominator < 0 ? -1 : 1;
  numerator_ = sign * numerator / divisor;
  denominator_ = sign * denominator / divisor;
  approximation_ = static_cast<long double>(numerator_) / static_cast<long double>(denominator_);
}

MathNumber MathNumber::of_digits(std::string_view digits) {
  MathNumber number = 0;
  MathNumber scale = 1;
  bool behind_point = false;
  for (const char c : digits) {
    if (c == '.') {
      behind_point = true;
      continue;
    }
    number = number * 10 + MathNumber(c - '0');
    if (behind_point) scale = scale * 10;
  }
  return number / scale;
}

bool MathNumber::is_finite() const {
  return std::isfinite(approximation_.real()) && std::isfinite(approximation_.imag());
}

std::optional<int> MathNumber::small_integer() const {
  if (denominator_ != 1 || numerator_ > 999'999'999 || numerator_ < -999'999'999)
    return std::nullopt;
  return static_cast<int>(numerator_);
}

MathNumber operator+(const MathNumber& a, const MathNumber& b) {
  if (a.is_exact() && b.is_exact()) {
    const auto numerator =
        sum(product(a.numerator_, b.denominator_), product(b.numerator_, a.denominator_));
    const auto denominator = product(a.denominator_, b.denominator_);
    if (numerator && denominator) return {*numerator, *denominator};
  }
  return MathNumber(a.approximation_ + b.approximation_);
}

MathNumber operator-(const MathNumber& a, const MathNumber& b) { return a + MathNumber(-1) * b; }

MathNumber operator*(const MathNumber& a, const MathNumber& b) {
  if (a.is_exact() && b.is_exact()) {
    const auto numerator = product(a.numerator_, b.numerator_);
    const auto denominator = product(a.denominator_, b.denominator_);
    if (numerator && denominator) return {*numerator, *denominator};
  }
  return MathNumber(a.approximation_ * b.approximation_);
}

MathNumber operator/(const MathNumber& a, const MathNumber& b) {
  if (b.is_exact()) {
    if (b.numerator_ == 0)
      return MathNumber(std::complex<long double>(std::numeric_limits<long double>::quiet_NaN()));
    return a * MathNumber(b.denominator_, b.numerator_);
  }
  return MathNumber(a.approximation_ / b.approximation_);
}

MathNumber power(const MathNumber& base, const MathNumber& exponent) {
  const std::optional<int> whole = exponent.small_integer();
  if (whole && std::abs(*whole) <= 1000) {
    MathNumber result = 1;
    for (int i = 0; i < std::abs(*whole); ++i) result = result * base;
    return *whole < 0 ? MathNumber(1) / result : result;
  }
  if (base.approximation_ == 0.0L && exponent.approximation_.real() > 0) return 0;
  return MathNumber(std::pow(base.approximation_, exponent.approximation_));
}

MathNumber factorial(const MathNumber& n) {
  const std::optional<int> whole = n.small_integer();
  if (!whole || *whole < 0 || *whole > 1000) return MathNumber(1) / MathNumber(0);
  MathNumber result = 1;
  for (int i = 2; i <= *whole; ++i) result = result * i;
  return result;
}

bool nearly_equal(const MathNumber& a, const MathNumber& b) {
  if (!a.is_finite() || !b.is_finite()) return false;
  if (a.is_exact() && b.is_exact())
    return a.numerator_ == b.numerator_ && a.denominator_ == b.denominator_;
  // Long double has 19 digits; a few are lost in sums and powers.
  const long double size = std::max(std::abs(a.approximation_), std::abs(b.approximation_));
  return std::abs(a.approximation_ - b.approximation_) <= std::max(1e-15L * size, 1e-17L);
}

}  // namespace demix
