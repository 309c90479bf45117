// Minima of smooth functions within bounds and linear constraints, through NLopt.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "demix/core/quadratic_program.h"

namespace demix {

// The value at x; its derivatives go into `gradient`, one per variable.
using SmoothFunction = std::function<double(std::span<const double> x, std::span<double> gradient)>;

struct MinimiseOptions {
  std::span<const double> lower = {}, upper = {};  // bounds by variable; empty: none
  std::span<const LinearConstraint> constraints = {};
  std::span<const SmoothFunction> at_most_zero = {};  // further constraints, not linear
  int evaluations = 200;                              // at most
  double tolerance = 1e-8;                            // on the relative change of the value
};

struct Minimum {
  std::vector<double> x;  // the best that was seen of those that meet the constraints
  double value = 0;
  int evaluations = 0;
};

// The constraints, in their order, without equalities that follow from those before them.
std::vector<LinearConstraint> without_dependent_equalities(
    std::span<const LinearConstraint> constraints);

// A local minimum near `start`, which need not meet the constraints. The result meets them to about
// 1e-8; equalities may follow from each other but not contradict, and where they leave one point,
// that is it. Sequential quadratic programming (Kraft 1988) with a dense model of the curvature:
// for up to a few hundred variables. A value that is not finite counts as a very large one.
// Deterministic.
Minimum minimise(const SmoothFunction& f,
                 std::span<const double> start,
                 const MinimiseOptions& options = {});

}  // namespace demix
