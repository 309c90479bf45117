#include "demix/search/matern.h"

#include <cstdint>
#include <cstring>

#include "demix/core/simd.h"

namespace demix {
namespace {

constexpr size_t kBlock = 128;   // centres whose distances stay in registers and the first cache
constexpr size_t kTogether = 4;  // queries that share one pass over a block

// exp(x) for x <= 0, relative error below 1e-13; below -700 it is that of -700. Written so that
// loops over it become vector code.
DEMIX_INLINE double exponential(double x) {
  x = x < -700 ? -700 : x;
  constexpr double kRound = 6755399441055744.0;  // adding 1.5·2⁵² rounds to a whole number
  const double shifted = x * 1.4426950408889634 + kRound;
  const double whole = shifted - kRound;
  const double r = (x - whole * 6.93145751953125e-1) - whole * 1.42860682030941723212e-6;
  double p = 1.0 / 479001600;  // Taylor's series up to r¹²
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r * r + r + 1.0;
  int64_t bits, exponent;
  std::memcpy(&exponent, &shifted, sizeof exponent);  // its lowest bits are the whole number
  std::memcpy(&bits, &p, sizeof bits);
  bits += exponent << 52;
  std::memcpy(&p, &bits, sizeof p);
  return p;
}

// centres: d × n, n a multiple of kBlock.
DEMIX_CPU_CLONES
void add_up(const double* centres,
            const double* weights,
            size_t n,
            size_t d,
            const double* queries,
            size_t count,
            double* sums) {
  double distances[kTogether][kBlock];
  for (size_t q = 0; q < count; q += kTogether) {
    const size_t together = count - q < kTogether ? count - q : kTogether;
    double totals[kTogether] = {};
    for (size_t begin = 0; begin < n; begin += kBlock) {
      std::memset(distances, 0, sizeof distances);
      for (size_t j = 0; j < d; ++j) {
        const double* column = centres + j * n + begin;
        double at[kTogether];
        for (size_t k = 0; k < kTogether; ++k) at[k] = queries[(q + k % together) * d + j];
        for (size_t i = 0; i < kBlock; ++i) {
          for (size_t k = 0; k < kTogether; ++k) {
            const double difference = column[i] - at[k];
            distances[k][i] += difference * difference;
          }
        }
      }
      for (size_t k = 0; k < together; ++k) {
        double partial[8] = {};  // a fixed order of summation for every instruction set
        for (size_t i = 0; i < kBlock; i += 8) {
          for (size_t l = 0; l < 8; ++l) {
            const double t = __builtin_sqrt(3 * distances[k][i + l]);
            partial[l] += weights[begin + i + l] * (1 + t) * exponential(-t);
          }
        }
        for (double value : partial) totals[k] += value;
      }
    }
    for (size_t k = 0; k < together; ++k) sums[q + k] = totals[k];
  }
}

}  // namespace

MaternSum::MaternSum(const Points& centres, std::span<const double> weights)
    : columns_(centres.columns()),
      padded_((centres.rows() + kBlock - 1) / kBlock * kBlock),
      centres_(columns_ * padded_),
      weights_(padded_) {
  DEMIX_CHECK(weights.size() == centres.rows());
  for (size_t i = 0; i < centres.rows(); ++i) {
    weights_[i] = weights[i];
    for (size_t j = 0; j < columns_; ++j) centres_[j * padded_ + i] = centres.row(i)[j];
  }
}

void MaternSum::operator()(const double* queries, size_t count, double* sums) const {
  add_up(centres_.data(), weights_.data(), padded_, columns_, queries, count, sums);
}

}  // namespace demix
