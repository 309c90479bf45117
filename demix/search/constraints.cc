#include "demix/search/constraints.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "demix/core/error.h"
#include "demix/core/minimise.h"

namespace demix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

size_t dataset_index(const Composition& composition,
                     const std::string& name,
                     std::string_view key) {
  const auto& datasets = composition.datasets();
  const auto found = std::find(datasets.begin(), datasets.end(), name);
  if (found != datasets.end()) return static_cast<size_t>(found - datasets.begin());
  throw Error("{}: there is no dataset '{}'; {}", key, name, suggestion(name, datasets));
}

void check_shares(const std::map<std::string, double>& shares, std::string_view key) {
  for (const auto& [name, share] : shares) {
    if (!(share >= 0 && share <= 1)) {
      throw Error("{}.{} is {}, expected a share from 0 to 1", key, name, share);
    }
  }
}

ShareConstraint on_one_dataset(const Composition& composition, size_t dataset, std::string name) {
  ShareConstraint constraint{
      std::move(name), std::vector<double>(composition.datasets().size()), -kInfinity, kInfinity};
  constraint.coefficients[dataset] = 1;
  return constraint;
}

void add_group(const GroupConstraint& group,
               const std::string& key,
               const Composition& composition,
               std::vector<ShareConstraint>& constraints) {
  std::vector<size_t> members;
  for (const std::string& dataset : group.datasets) {
    const size_t j = dataset_index(composition, dataset, key);
    if (std::find(members.begin(), members.end(), j) != members.end()) {
      throw Error("{}: dataset '{}' comes twice", key, dataset);
    }
    members.push_back(j);
  }
  std::vector<double> sum(composition.datasets().size());
  for (size_t j : members) sum[j] = 1;
  const std::string names = fmt::format("{}", fmt::join(group.datasets, " + "));
  if (group.min_share > 0) {
    constraints.push_back({fmt::format("{} at least {:.4g} ({})", names, group.min_share, key),
                           sum,
                           group.min_share,
                           kInfinity});
  }
  if (group.max_share < 1) {
    constraints.push_back({fmt::format("{} at most {:.4g} ({})", names, group.max_share, key),
                           sum,
                           -kInfinity,
                           group.max_share});
  }
  if (group.ratio.empty()) return;
  double total = 0;
  for (double part : group.ratio) total += part;
  // The last follows from the others.
  for (size_t k = 0; k + 1 < members.size(); ++k) {
    std::vector<double> excess(sum);
    for (double& coefficient : excess) coefficient *= -group.ratio[k] / total;
    excess[members[k]] += 1;
    constraints.push_back({fmt::format("{} exactly {:.4g} of {} ({}.ratio)",
                                       group.datasets[k],
                                       group.ratio[k] / total,
                                       names,
                                       key),
                           excess,
                           0,
                           0});
  }
}

// What a share constraint asks of α: normal = C·coefficients.
std::vector<double> on_merge_weights(const Composition& composition,
                                     const ShareConstraint& constraint) {
  DEMIX_CHECK(constraint.coefficients.size() == composition.datasets().size());
  std::vector<double> normal(composition.components().size());
  for (size_t i = 0; i < normal.size(); ++i) {
    for (size_t j = 0; j < constraint.coefficients.size(); ++j) {
      normal[i] += composition.at(i, j) * constraint.coefficients[j];
    }
  }
  return normal;
}

// At the conflict's last constraint the others leave nothing: the best they allow misses by
// `shortfall`.
Error conflict_error(const QuadraticSolution& solution,
                     const std::vector<std::string>& names,
                     size_t simplex_constraints) {
  std::string list;
  for (const auto& [constraint, multiplier] : solution.conflict) {
    if (constraint < simplex_constraints) continue;
    list += fmt::format("\n  {}", names[constraint - simplex_constraints]);
  }
  return Error(
      "these constraints cannot hold together with shares that sum to one: if the others hold, one "
      "of them misses by at least {:.4g}; relax one of them:{}",
      solution.shortfall,
      list);
}

}  // namespace

void ConstraintConfig::check() const {
  if (!(max_times_prior == 0 || max_times_prior >= 1)) {
    throw Error(
        "max_times_prior is {}, expected 0 (no cap) or at least 1, since a cap below the prior on "
        "every dataset cannot hold",
        max_times_prior);
  }
  if (!(max_epochs >= 0)) throw Error("max_epochs is {}, expected 0 (no cap) or more", max_epochs);
  check_shares(min_share, "min_share");
  check_shares(max_share, "max_share");
  check_shares(fixed_share, "fixed_share");
  for (const auto& [name, group] : groups) {
    try {
      group.check();
    } catch (const Error& error) {
      throw Error("groups.{}: {}", name, error.what());
    }
  }
}

void GroupConstraint::check() const {
  if (datasets.empty()) throw Error("datasets is empty, expected names");
  if (!(min_share >= 0 && max_share <= 1 && min_share <= max_share)) {
    throw Error("min_share is {} and max_share is {}, expected 0 <= min_share <= max_share <= 1",
                min_share,
                max_share);
  }
  if (ratio.empty()) return;
  if (ratio.size() != datasets.size()) {
    throw Error("ratio has {} numbers for {} datasets", ratio.size(), datasets.size());
  }
  for (double part : ratio) {
    if (!(part > 0 && std::isfinite(part))) throw Error("ratio has {}, expected above 0", part);
  }
}

std::vector<ShareConstraint> share_constraints(const ConstraintConfig& config,
                                               const Composition& composition,
                                               std::span<const double> prior,
                                               std::span<const int64_t> dataset_tokens,
                                               double target_tokens) {
  config.check();
  const auto& datasets = composition.datasets();
  std::vector<ShareConstraint> constraints;
  for (const auto& [name, share] : config.min_share) {
    const size_t j = dataset_index(composition, name, "min_share");
    constraints.push_back(
        on_one_dataset(composition, j, fmt::format("{} at least {:.4g} (min_share)", name, share)));
    constraints.back().lower = share;
  }
  for (const auto& [name, share] : config.max_share) {
    const size_t j = dataset_index(composition, name, "max_share");
    constraints.push_back(
        on_one_dataset(composition, j, fmt::format("{} at most {:.4g} (max_share)", name, share)));
    constraints.back().upper = share;
  }
  for (const auto& [name, share] : config.fixed_share) {
    const size_t j = dataset_index(composition, name, "fixed_share");
    constraints.push_back(on_one_dataset(
        composition, j, fmt::format("{} exactly {:.4g} (fixed_share)", name, share)));
    constraints.back().lower = constraints.back().upper = share;
  }
  for (const auto& [name, group] : config.groups) {
    add_group(group, "groups." + name, composition, constraints);
  }
  if (config.max_times_prior > 0) {
    // Shares under the prior, not the prior itself: an anchor dataset is in every component.
    const auto shares = composition.data_shares(prior);
    for (size_t j = 0; j < datasets.size(); ++j) {
      const double cap = config.max_times_prior * shares[j];
      constraints.push_back(
          on_one_dataset(composition,
                         j,
                         fmt::format("{} at most {:.4g} (max_times_prior {:g} x {:.4g})",
                                     datasets[j],
                                     cap,
                                     config.max_times_prior,
                                     shares[j])));
      constraints.back().upper = cap;
    }
  }
  if (config.max_epochs > 0) {
    if (dataset_tokens.size() != datasets.size()) {
      throw Error("max_epochs needs the tokens of every dataset; found those of {} datasets of {}",
                  dataset_tokens.size(),
                  datasets.size());
    }
    if (!(target_tokens > 0 && std::isfinite(target_tokens))) {
      throw Error(
          "max_epochs needs target_tokens, the budget of the real training; it is {}, expected "
          "above 0",
          target_tokens);
    }
    for (size_t j = 0; j < datasets.size(); ++j) {
      const double cap = config.max_epochs * static_cast<double>(dataset_tokens[j]) / target_tokens;
      constraints.push_back(
          on_one_dataset(composition,
                         j,
                         fmt::format("{} at most {:.4g} (max_epochs {:g} x {} tokens / {:g})",
                                     datasets[j],
                                     cap,
                                     config.max_epochs,
                                     dataset_tokens[j],
                                     target_tokens)));
      constraints.back().upper = cap;
    }
  }
  return constraints;
}

FeasibleSet::FeasibleSet(Composition composition, const std::vector<ShareConstraint>& constraints)
    : composition_(std::move(composition)) {
  const size_t n = composition_.components().size();
  constraints_.push_back({std::vector<double>(n, 1), 1, true});
  for (size_t i = 0; i < n; ++i) {
    constraints_.push_back({std::vector<double>(n), 0});
    constraints_.back().normal[i] = 1;
  }
  const size_t simplex_constraints = constraints_.size();

  std::vector<std::string> names;
  for (const ShareConstraint& constraint : constraints) {
    auto normal = on_merge_weights(composition_, constraint);
    const auto [least, most] = std::minmax_element(normal.begin(), normal.end());
    const double shortfall = std::max(constraint.lower - *most, *least - constraint.upper);
    if (shortfall > kTolerance) {
      throw Error(
          "{}: cannot hold, it misses by {:.4g}; mixtures of these components can reach from "
          "{:.4g} to "
          "{:.4g}",
          constraint.name,
          shortfall,
          *least,
          *most);
    }
    // What holds for every component holds for every mixture of them.
    const bool fixed =
        constraint.upper - constraint.lower <= kTolerance && *most - *least > kTolerance;
    if (fixed) {
      constraints_.push_back({normal, 0.5 * (constraint.lower + constraint.upper), true});
      names.push_back(constraint.name);
      continue;
    }
    if (constraint.lower > *least) {
      constraints_.push_back({normal, constraint.lower});
      names.push_back(constraint.name);
    }
    if (constraint.upper < *most) {
      for (double& x : normal) x = -x;
      constraints_.push_back({std::move(normal), -constraint.upper});
      names.push_back(constraint.name);
    }
  }
  const std::vector<double> centre(n, 1.0 / static_cast<double>(n));
  const auto solution = nearest_point(centre, constraints_);
  if (!solution.feasible() && solution.shortfall > kTolerance) {
    throw conflict_error(solution, names, simplex_constraints);
  }

  constraints_ = without_dependent_equalities(constraints_);
  for (const auto& constraint : constraints_) {
    if (constraint.equality) equalities_.push_back(constraint);
  }
  // The mean of the members closest to the corners of the simplex lies inside in every direction
  // that has room.
  centre_.assign(n, 0);
  for (size_t i = 0; i < n; ++i) {
    std::vector<double> corner(n);
    corner[i] = 1;
    const auto member = project(corner);
    DEMIX_CHECK(member.has_value());
    for (size_t k = 0; k < n; ++k) centre_[k] += (*member)[k] / static_cast<double>(n);
  }
}

double FeasibleSet::violation(std::span<const double> merge_weights) const {
  DEMIX_CHECK(merge_weights.size() == composition_.components().size());
  double worst = 0;
  for (const LinearConstraint& constraint : constraints_) {
    double slack = -constraint.bound;
    for (size_t i = 0; i < merge_weights.size(); ++i)
      slack += constraint.normal[i] * merge_weights[i];
    worst = std::max(worst, constraint.equality ? std::abs(slack) : -slack);
  }
  return worst;
}

std::optional<std::vector<double>> FeasibleSet::project(std::span<const double> merge_weights,
                                                        const std::vector<bool>& zero) const {
  std::vector<LinearConstraint> constraints = constraints_;
  for (size_t i = 0; i < zero.size(); ++i) {
    // constraints_[0] is the sum, constraints_[1 + i] is α_i >= 0.
    if (zero[i]) constraints[1 + i].equality = true;
  }
  auto solution = nearest_point(merge_weights, constraints);
  if (!solution.feasible()) return std::nullopt;
  constexpr double kRounding = 1e-12;  // what it leaves of zero, above or below
  double sum = 0;
  for (double& a : solution.x) sum += a = a > kRounding ? a : 0.0;
  for (double& a : solution.x) a /= sum;
  if (!contains(solution.x)) return std::nullopt;
  return solution.x;
}

std::vector<double> FeasibleSet::pull_inside(std::span<const double> merge_weights) const {
  const auto from = nearest_point(merge_weights, equalities_);
  DEMIX_CHECK(from.feasible());
  double step = 1;  // from the centre
  for (const LinearConstraint& constraint : constraints_) {
    if (constraint.equality) continue;
    double inside = -constraint.bound, outside = -constraint.bound;
    for (size_t i = 0; i < centre_.size(); ++i) {
      inside += constraint.normal[i] * centre_[i];
      outside += constraint.normal[i] * from.x[i];
    }
    if (outside < 0)
      step = std::min(step, std::max(inside, 0.0) / (std::max(inside, 0.0) - outside));
  }
  std::vector<double> result(centre_.size());
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = std::max(centre_[i] + step * (from.x[i] - centre_[i]), 0.0);
  }
  // A set without thickness gives the centre for everything; its nearest point says more.
  constexpr double kFlat = 1e-3;
  if (step < kFlat || !contains(result)) return project(merge_weights).value_or(centre_);
  return result;
}

}  // namespace demix
