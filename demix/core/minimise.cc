#include "demix/core/minimise.h"

#include <nlopt.h>

#include <Eigen/Core>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>
#include <optional>

#include "demix/core/error.h"

namespace demix {
namespace {

constexpr double kConstraintTolerance = 1e-9;
constexpr double kNotFinite = 1e20;

void succeed(nlopt_result result, const char* what) {
  if (result < 0) throw Error("NLopt: {}: {}", what, nlopt_result_to_string(result));
}

struct FreeOptimiser {
  void operator()(nlopt_opt optimiser) const { nlopt_destroy(optimiser); }
};

// What NLopt calls back for one function. Exceptions must not pass through its C code.
struct Callback {
  const SmoothFunction* function;
  nlopt_opt optimiser;
  std::exception_ptr* failure;
  int evaluations = 0;

  double operator()(unsigned n, const double* x, double* gradient) {
    ++evaluations;
    std::vector<double> unused;
    if (!gradient) {
      unused.resize(n);
      gradient = unused.data();
    }
    try {
      const double value = (*function)({x, n}, {gradient, n});
      if (std::isfinite(value)) return value;
      std::fill_n(gradient, n, 0.0);
    } catch (...) {
      *failure = std::current_exception();
      nlopt_force_stop(optimiser);
    }
    return kNotFinite;
  }
};

double call(unsigned n, const double* x, double* gradient, void* callback) {
  return (*static_cast<Callback*>(callback))(n, x, gradient);
}

// NLopt's inequalities are g(x) <= 0, ours normal·x >= bound.
double call_linear(unsigned n, const double* x, double* gradient, void* data) {
  const auto& constraint = *static_cast<const LinearConstraint*>(data);
  double slack = -constraint.bound;
  for (unsigned i = 0; i < n; ++i) slack += constraint.normal[i] * x[i];
  const double sign = constraint.equality ? 1 : -1;
  if (gradient) {
    for (unsigned i = 0; i < n; ++i) gradient[i] = sign * constraint.normal[i];
  }
  return sign * slack;
}

Eigen::Map<const Eigen::VectorXd> normal_of(const LinearConstraint& constraint) {
  return {constraint.normal.data(), static_cast<Eigen::Index>(constraint.normal.size())};
}

// The only point that as many independent equalities as variables leave, if there are as many.
std::optional<std::vector<double>> only_point(std::span<const LinearConstraint> constraints,
                                              size_t n) {
  const auto size = static_cast<Eigen::Index>(n);
  Eigen::MatrixXd rows(size, size);
  Eigen::VectorXd bounds(size);
  Eigen::Index count = 0;
  for (const LinearConstraint& constraint : constraints) {
    if (!constraint.equality) continue;
    rows.row(count) = normal_of(constraint);
    bounds[count++] = constraint.bound;
  }
  if (count < size) return std::nullopt;
  std::vector<double> x(n);
  Eigen::Map<Eigen::VectorXd>(x.data(), size) = rows.colPivHouseholderQr().solve(bounds);
  return x;
}

}  // namespace

std::vector<LinearConstraint> without_dependent_equalities(
    std::span<const LinearConstraint> constraints) {
  constexpr double kDependent = 1e-9;
  std::vector<LinearConstraint> kept;
  std::vector<Eigen::VectorXd> directions;  // orthonormal, of those kept
  for (const LinearConstraint& constraint : constraints) {
    if (constraint.equality) {
      Eigen::VectorXd rest = normal_of(constraint);
      const double length = rest.norm();
      // Twice, since once leaves what rounding left.
      for (int pass = 0; pass < 2; ++pass)
        for (const auto& direction : directions) rest -= direction.dot(rest) * direction;
      if (rest.norm() <= kDependent * length) continue;
      directions.push_back(rest.normalized());
    }
    kept.push_back(constraint);
  }
  return kept;
}

Minimum minimise(const SmoothFunction& f,
                 std::span<const double> start,
                 const MinimiseOptions& options) {
  const auto n = static_cast<unsigned>(start.size());
  const std::unique_ptr<std::remove_pointer_t<nlopt_opt>, FreeOptimiser> optimiser(
      nlopt_create(NLOPT_LD_SLSQP, n));
  DEMIX_CHECK(optimiser && n > 0);
  std::exception_ptr failure;
  Callback objective{&f, optimiser.get(), &failure};
  std::vector<Callback> further;
  for (const auto& g : options.at_most_zero) further.push_back({&g, optimiser.get(), &failure});

  Minimum minimum{.x = {start.begin(), start.end()}};
  succeed(nlopt_set_min_objective(optimiser.get(), call, &objective), "objective");
  if (!options.lower.empty()) {
    DEMIX_CHECK(options.lower.size() == n);
    succeed(nlopt_set_lower_bounds(optimiser.get(), options.lower.data()), "lower bounds");
    for (unsigned i = 0; i < n; ++i) minimum.x[i] = std::max(minimum.x[i], options.lower[i]);
  }
  if (!options.upper.empty()) {
    DEMIX_CHECK(options.upper.size() == n);
    succeed(nlopt_set_upper_bounds(optimiser.get(), options.upper.data()), "upper bounds");
    for (unsigned i = 0; i < n; ++i) minimum.x[i] = std::min(minimum.x[i], options.upper[i]);
  }
  for (const LinearConstraint& constraint : options.constraints)
    DEMIX_CHECK(constraint.normal.size() == n);
  const auto constraints = without_dependent_equalities(options.constraints);
  if (const auto point = only_point(constraints, n)) {
    std::vector<double> unused(n);
    return {.x = *point, .value = f(*point, unused), .evaluations = 1};
  }
  for (const LinearConstraint& constraint : constraints) {
    const auto add =
        constraint.equality ? nlopt_add_equality_constraint : nlopt_add_inequality_constraint;
    succeed(add(optimiser.get(),
                call_linear,
                const_cast<LinearConstraint*>(&constraint),  // only read
                kConstraintTolerance),
            "constraint");
  }
  for (Callback& callback : further) {
    succeed(nlopt_add_inequality_constraint(optimiser.get(), call, &callback, kConstraintTolerance),
            "constraint");
  }
  nlopt_set_ftol_rel(optimiser.get(), options.tolerance);
  nlopt_set_maxeval(optimiser.get(), options.evaluations);

  // Failures by rounding or limits still leave the best point so far.
  const auto status = nlopt_optimize(optimiser.get(), minimum.x.data(), &minimum.value);
  if (failure) std::rethrow_exception(failure);
  if (status == NLOPT_INVALID_ARGS || status == NLOPT_OUT_OF_MEMORY) succeed(status, "minimise");
  minimum.evaluations = objective.evaluations;
  return minimum;
}

}  // namespace demix
