// A number of an answer: an exact fraction as long as it is one that fits, else a complex
// approximation.
#pragma once

#include <complex>
#include <optional>
#include <string_view>

namespace demix {

class MathNumber {
 public:
  MathNumber(int value) : MathNumber(value, 1) {}
  explicit MathNumber(std::complex<long double> approximation) : approximation_(approximation) {}
  // Digits with at most one point, such as "12", "0.25" or ".5".
  static MathNumber of_digits(std::string_view digits);

  bool is_exact() const { return denominator_ != 0; }
  bool is_finite() const;
  std::complex<long double> approximation() const { return approximation_; }
  // The number itself where it is an exact integer of at most nine digits.
  std::optional<int> small_integer() const;

  friend MathNumber operator+(const MathNumber& a, const MathNumber& b);
  friend MathNumber operator-(const MathNumber& a, const MathNumber& b);
  friend MathNumber operator*(const MathNumber& a, const MathNumber& b);
  // Not finite when b is zero.
  friend MathNumber operator/(const MathNumber& a, const MathNumber& b);
  friend MathNumber operator-(const MathNumber& a) { return MathNumber(0) - a; }
  // The principal value; 0^0 is 1.
  friend MathNumber power(const MathNumber& base, const MathNumber& exponent);
  // Not finite for what is no integer from 0 on.
  friend MathNumber factorial(const MathNumber& n);

  // Exact numbers must be equal, others agree in 15 digits; what is not finite equals nothing.
  friend bool nearly_equal(const MathNumber& a, const MathNumber& b);

 private:
  using Integer = __int128;
  MathNumber(Integer numerator, Integer denominator);

  std::complex<long double> approximation_;
  Integer numerator_ = 0, denominator_ = 0;  // in lowest terms; denominator 0: not exact
};

}  // namespace demix
