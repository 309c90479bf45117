// The Matérn kernel of smoothness 3/2, which Gaussian processes here use.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "demix/search/points.h"

namespace demix {

// k(ρ) = (1 + t) exp(-t), t = √(3ρ), of the squared distance ρ.
inline double matern(double squared_distance) {
  const double t = std::sqrt(3 * squared_distance);
  return (1 + t) * std::exp(-t);
}

// dk/dρ = -3/2 exp(-t), finite everywhere.
inline double matern_slope(double squared_distance) {
  return -1.5 * std::exp(-std::sqrt(3 * squared_distance));
}

// Σ_i weights_i · k(|q - centre_i|²) for many q; the centres are laid out once for speed.
class MaternSum {
 public:
  MaternSum(const Points& centres, std::span<const double> weights);

  size_t columns() const { return columns_; }
  // For `count` queries, row by row, into `sums`. Relative error of each term below 1e-12.
  void operator()(const double* queries, size_t count, double* sums) const;

 private:
  size_t columns_, padded_;      // centres, filled up with zero weights
  std::vector<double> centres_;  // columns × padded
  std::vector<double> weights_;
};

}  // namespace demix
