// Dual active-set method of Goldfarb and Idnani, "A numerically stable dual method for solving
// strictly convex quadratic programs", Mathematical Programming 27 (1983). It starts at the
// unconstrained minimum and adds violated constraints one by one; when the next one cannot be
// added, the active ones prove that nothing satisfies them all.
#include "demix/core/quadratic_program.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/Jacobi>
#include <cmath>
#include <limits>

#include "demix/core/error.h"

namespace demix {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Violations below this are rounding: shares are near one.
constexpr double kViolation = 1e-12;
// A normal whose part outside the active normals is this much shorter than itself depends on them.
constexpr double kDependent = 1e-10;

Eigen::Map<const Vector> as_vector(std::span<const double> values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

// State of the method, in the paper's letters: the columns of J span the space, its first q columns
// the active normals, with J'N = [R; 0]; u are the multipliers of the active constraints.
class ActiveSet {
 public:
  ActiveSet(Matrix j, Vector x, std::span<const LinearConstraint> constraints)
      : constraints_(constraints),
        j_(std::move(j)),
        r_(Matrix::Zero(x.size(), x.size())),
        x_(std::move(x)) {}

  QuadraticSolution solve() {
    for (size_t i = 0; i < constraints_.size(); ++i) {
      if (constraints_[i].equality && !enforce(i)) return solution_;
    }
    // Each enforced constraint raises the objective, so no active set returns; the limit guards
    // against cycling by rounding.
    for (size_t step = 0; step < 50 * (constraints_.size() + 1); ++step) {
      const auto worst = most_violated();
      if (worst == constraints_.size()) break;
      if (!enforce(worst)) return solution_;
    }
    solution_.x.assign(x_.begin(), x_.end());
    return solution_;
  }

 private:
  double slack(size_t i) const {
    return as_vector(constraints_[i].normal).dot(x_) - constraints_[i].bound;
  }

  size_t most_violated() const {
    size_t worst = constraints_.size();
    double least = -kViolation;
    for (size_t i = 0; i < constraints_.size(); ++i) {
      if (constraints_[i].equality) continue;
      const double s = slack(i);
      if (s < least) {
        least = s;
        worst = i;
      }
    }
    return worst;
  }

  // Moves to the minimum over the active constraints and constraint `entering`, dropping active
  // ones that are in the way. False, with the proof in solution_, when none satisfies them.
  bool enforce(size_t entering) {
    const LinearConstraint& constraint = constraints_[entering];
    const double sign = constraint.equality && slack(entering) > 0 ? -1 : 1;
    const Vector normal = sign * as_vector(constraint.normal);
    double multiplier = 0;
    for (;;) {
      const double violation = -sign * slack(entering);
      const Eigen::Index q = static_cast<Eigen::Index>(active_.size());
      const Eigen::Index free = x_.size() - q;
      Vector d = j_.transpose() * normal;
      const Vector rates = r_.topLeftCorner(q, q).triangularView<Eigen::Upper>().solve(d.head(q));
      const bool dependent = d.tail(free).norm() <= kDependent * d.norm();
      if (dependent && violation <= kViolation) return true;  // follows from the active ones

      // The longest dual step that keeps the multipliers of the active inequalities >= 0.
      double dual_step = kInfinity;
      Eigen::Index leaving = -1;
      for (Eigen::Index k = 0; k < q; ++k) {
        if (constraints_[active_[k]].equality || rates[k] <= 1e-14) continue;
        const double step = multipliers_[k] / rates[k];
        if (step < dual_step) {
          dual_step = step;
          leaving = k;
        }
      }
      const double primal_step = dependent ? kInfinity : violation / d.tail(free).squaredNorm();
      const double step = std::min(dual_step, primal_step);
      if (step == kInfinity) {
        explain(entering, sign, rates, violation);
        return false;
      }
      if (!dependent) x_ += step * (j_.rightCols(free) * d.tail(free));
      for (Eigen::Index k = 0; k < q; ++k) multipliers_[k] -= step * rates[k];
      multiplier += step;
      if (step == primal_step) {
        add(entering, sign, multiplier, d);
        return true;
      }
      drop(leaving);
    }
  }

  void add(size_t entering, double sign, double multiplier, Vector& d) {
    const Eigen::Index q = static_cast<Eigen::Index>(active_.size());
    // Rotate d's tail into its first entry; J keeps J'n = d.
    for (Eigen::Index k = d.size() - 1; k > q; --k) {
      Eigen::JacobiRotation<double> rotation;
      rotation.makeGivens(d[k - 1], d[k], &d[k - 1]);
      d[k] = 0;
      j_.applyOnTheRight(k - 1, k, rotation);
    }
    r_.col(q).head(q + 1) = d.head(q + 1);
    active_.push_back(entering);
    signs_.push_back(sign);
    multipliers_.push_back(multiplier);
  }

  void drop(Eigen::Index leaving) {
    const Eigen::Index q = static_cast<Eigen::Index>(active_.size());
    for (Eigen::Index k = leaving; k + 1 < q; ++k) r_.col(k) = r_.col(k + 1);
    r_.col(q - 1).setZero();
    active_.erase(active_.begin() + leaving);
    signs_.erase(signs_.begin() + leaving);
    multipliers_.erase(multipliers_.begin() + leaving);
    // R lost a column, so it has one entry below the diagonal in each later one: rotate it away.
    for (Eigen::Index k = leaving; k + 1 < q; ++k) {
      Eigen::JacobiRotation<double> rotation;
      rotation.makeGivens(r_(k, k), r_(k + 1, k));
      r_.applyOnTheLeft(k, k + 1, rotation.adjoint());
      j_.applyOnTheRight(k, k + 1, rotation);
      r_(k + 1, k) = 0;
    }
  }

  // The entering normal is Σ rates_k · normal_k with no rate > 0 on an inequality.
  void explain(size_t entering, double sign, const Vector& rates, double violation) {
    for (size_t k = 0; k < active_.size(); ++k) {
      const double multiplier = -rates[static_cast<Eigen::Index>(k)] * signs_[k];
      if (std::abs(multiplier) > kDependent) solution_.conflict.push_back({active_[k], multiplier});
    }
    solution_.conflict.push_back({entering, sign});
    solution_.shortfall = violation;
  }

  std::span<const LinearConstraint> constraints_;
  Matrix j_, r_;
  Vector x_;
  std::vector<size_t> active_;
  std::vector<double> signs_, multipliers_;
  QuadraticSolution solution_;
};

}  // namespace

QuadraticSolution minimise_quadratic(std::span<const double> hessian,
                                     std::span<const double> gradient,
                                     std::span<const LinearConstraint> constraints) {
  const auto n = static_cast<Eigen::Index>(gradient.size());
  DEMIX_CHECK(hessian.size() == gradient.size() * gradient.size());
  for (const auto& c : constraints) DEMIX_CHECK(c.normal.size() == gradient.size());
  const Eigen::LLT<Matrix> factor(Eigen::Map<const Matrix>(hessian.data(), n, n));
  DEMIX_CHECK(factor.info() == Eigen::Success);
  Matrix j = Matrix::Identity(n, n);
  factor.matrixU().solveInPlace(j);
  return ActiveSet(std::move(j), factor.solve(-as_vector(gradient)), constraints).solve();
}

QuadraticSolution nearest_point(std::span<const double> target,
                                std::span<const LinearConstraint> constraints) {
  for (const auto& c : constraints) DEMIX_CHECK(c.normal.size() == target.size());
  const auto n = static_cast<Eigen::Index>(target.size());
  return ActiveSet(Matrix::Identity(n, n), as_vector(target), constraints).solve();
}

}  // namespace demix
