// What a mixture may be: linear constraints on data shares, intersected with what the components
// can express. One set serves samplers, optimisers and the check of the result.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demix/core/mixture.h"
#include "demix/core/quadratic_program.h"

namespace demix {

// Datasets that are bounded together.
struct GroupConstraint {
  std::vector<std::string> datasets;    // of the group
  double min_share = 0, max_share = 1;  // of their sum
  std::vector<double> ratio = {};       // keeps the shares in this ratio; empty: free

  template <class V>
  void visit(V& v) {
    v("datasets", datasets);
    v("min_share", min_share);
    v("max_share", max_share);
    v("ratio", ratio);
  }
  void check() const;
};

// All of these act on data shares p, not on merge weights.
struct ConstraintConfig {
  double max_times_prior =
      4;  // p at most this multiple of the data share under the prior; 0: no cap
  double max_epochs =
      0;  // p · target tokens at most this multiple of the dataset's tokens; 0: no cap
  std::map<std::string, double> min_share = {};        // by dataset
  std::map<std::string, double> max_share = {};        // by dataset
  std::map<std::string, double> fixed_share = {};      // by dataset
  std::map<std::string, GroupConstraint> groups = {};  // by a name of the user's

  template <class V>
  void visit(V& v) {
    v("max_times_prior", max_times_prior);
    v("max_epochs", max_epochs);
    v("min_share", min_share);
    v("max_share", max_share);
    v("fixed_share", fixed_share);
    v("groups", groups);
  }
  void check() const;
};

// lower <= Σ coefficients_j p_j <= upper.
struct ShareConstraint {
  std::string name;  // in words, with its origin: "math_high at most 0.05 (max_share)"
  std::vector<double> coefficients;  // by dataset
  double lower, upper;               // may be infinite
};

// The constraints of a run. `prior` are merge weights over the components, `dataset_tokens` N_i in
// the order of the datasets, `target_tokens` T the budget of the real training; both are used for
// epochs only. Throws Error on a name that is no dataset.
std::vector<ShareConstraint> share_constraints(const ConstraintConfig& config,
                                               const Composition& composition,
                                               std::span<const double> prior,
                                               std::span<const int64_t> dataset_tokens,
                                               double target_tokens);

// The merge weights α on the simplex whose data shares αᵀC meet all constraints: a convex set, so
// that averages of members are members.
class FeasibleSet {
 public:
  // How far a member may miss a constraint by rounding.
  static constexpr double kTolerance = 1e-9;

  // Throws Error when no α is left: names the constraints in conflict and by how much they miss.
  FeasibleSet(Composition composition, const std::vector<ShareConstraint>& constraints);

  const Composition& composition() const { return composition_; }
  // On merge weights: their sum, their signs, then what was asked of shares.
  std::span<const LinearConstraint> constraints() const { return constraints_; }

  // Within kTolerance.
  bool contains(std::span<const double> merge_weights) const {
    return violation(merge_weights) <= kTolerance;
  }
  // The most by which a constraint, a weight's sign or the sum of the weights is missed; 0 inside.
  double violation(std::span<const double> merge_weights) const;
  // The closest member (Euclidean) whose weights are zero wherever `zero` is true, if there is one;
  // an empty `zero` forbids nothing.
  std::optional<std::vector<double>> project(std::span<const double> merge_weights,
                                             const std::vector<bool>& zero = {}) const;
  // The member that is met first on the way from these weights to a point well inside. Unlike
  // project, which maps all that lies beyond a corner onto it, this keeps different weights
  // different.
  std::vector<double> pull_inside(std::span<const double> merge_weights) const;

 private:
  Composition composition_;
  std::vector<LinearConstraint> constraints_;  // on α: sum, signs, then shares
  std::vector<LinearConstraint> equalities_;   // those of them that fix a value
  std::vector<double> centre_;
};

}  // namespace demix
