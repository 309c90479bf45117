// Small dense convex quadratic programs: the nearest point that satisfies linear constraints, or
// the proof that there is none.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace demix {

// normal·x >= bound, or normal·x == bound.
struct LinearConstraint {
  std::vector<double> normal;
  double bound;
  bool equality = false;
};

struct QuadraticSolution {
  std::vector<double> x;  // empty when no point satisfies the constraints
  // When there is none: constraints whose sum, each times its multiplier, demands a positive number
  // (`shortfall`) from zero. Multipliers are > 0, except of equalities, which may have either sign;
  // the constraint that failed last stands last, with multiplier 1.
  struct Conflict {
    size_t constraint;
    double multiplier;
  };
  std::vector<Conflict> conflict;
  double shortfall = 0;

  bool feasible() const { return conflict.empty(); }
};

// The x that minimises ½ xᵀHx + gᵀx under the constraints, which it meets to about 1e-12 for
// numbers near one. `hessian` is H, row by row, positive definite. Cost: cubic in the number of
// variables.
QuadraticSolution minimise_quadratic(std::span<const double> hessian,
                                     std::span<const double> gradient,
                                     std::span<const LinearConstraint> constraints);

// The x closest to `target` in Euclidean distance under the constraints.
QuadraticSolution nearest_point(std::span<const double> target,
                                std::span<const LinearConstraint> constraints);

}  // namespace demix
