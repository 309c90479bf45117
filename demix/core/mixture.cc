#include "demix/core/mixture.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "demix/core/error.h"
#include "demix/core/quadratic_program.h"

namespace demix {
namespace {

constexpr double kSumTolerance = 1e-3;  // of shares that were printed with few digits

// `values` rescaled to sum to one. `name(i)` names entry i in errors.
template <typename Name>
std::vector<double> checked_weights(std::vector<double> values, std::string_view where, Name name) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]) || values[i] < 0) {
      throw Error(
          "{}: the weight of '{}' is {}; expected a number from 0 to 1", where, name(i), values[i]);
    }
    sum += values[i];
  }
  if (!(std::abs(sum - 1) <= kSumTolerance)) {
    throw Error("{}: weights sum to {:.9g}, expected 1 (within {:g}); {}",
                where,
                sum,
                kSumTolerance,
                std::abs(sum - 100) < 1 ? "they look like percentages: divide them by 100"
                                        : "divide each by the sum");
  }
  for (double& value : values) value /= sum;
  return values;
}

size_t position(const std::vector<std::string>& names,
                std::string_view name,
                std::string_view kind) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw Error("there is no {} '{}'; {}", kind, name, suggestion(name, names));
  return static_cast<size_t>(found - names.begin());
}

void check_distinct(const std::vector<std::string>& names, std::string_view where) {
  std::set<std::string_view> seen;
  for (const auto& name : names) {
    if (!seen.insert(name).second) throw Error("{}: '{}' is named twice", where, name);
  }
}

}  // namespace

double Mixture::at(std::string_view name) const {
  return weights[position(names, name, "dataset or component")];
}

Mixture checked_mixture(std::vector<std::string> names,
                        std::vector<double> weights,
                        std::string_view where) {
  if (names.size() != weights.size()) {
    throw Error("{}: {} weights for {} names", where, weights.size(), names.size());
  }
  if (names.empty()) throw Error("{}: a mixture of nothing", where);
  check_distinct(names, where);
  weights = checked_weights(std::move(weights), where, [&](size_t i) { return names[i]; });
  return {std::move(names), std::move(weights)};
}

double l1_distance(std::span<const double> a, std::span<const double> b) {
  DEMIX_CHECK(a.size() == b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum;
}

Composition::Composition(std::vector<std::string> components,
                         std::vector<std::string> datasets,
                         std::vector<std::vector<double>> rows)
    : components_(std::move(components)), datasets_(std::move(datasets)) {
  check_distinct(components_, "components");
  check_distinct(datasets_, "datasets");
  if (components_.empty()) throw Error("there are no components");
  if (rows.size() != components_.size()) {
    throw Error("{} compositions for {} components", rows.size(), components_.size());
  }
  rows_.reserve(rows.size() * datasets_.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string where = fmt::format("composition of component '{}'", components_[i]);
    if (rows[i].size() != datasets_.size()) {
      throw Error("{}: {} shares for {} datasets", where, rows[i].size(), datasets_.size());
    }
    const auto row =
        checked_weights(std::move(rows[i]), where, [&](size_t j) { return datasets_[j]; });
    rows_.insert(rows_.end(), row.begin(), row.end());
  }
}

Composition Composition::anchored(std::vector<std::string> datasets,
                                  std::string_view anchor,
                                  double anchor_share) {
  if (!(anchor_share >= 0 && anchor_share < 1)) {
    throw Error("the anchor's share is {}, expected at least 0 and below 1", anchor_share);
  }
  const size_t n = datasets.size();
  std::vector<std::vector<double>> rows(n, std::vector<double>(n));
  const size_t anchor_index = anchor_share > 0 ? position(datasets, anchor, "anchor dataset") : 0;
  for (size_t i = 0; i < n; ++i) {
    rows[i][i] = 1 - anchor_share;
    rows[i][anchor_index] += anchor_share;
  }
  std::vector<std::string> components = datasets;
  return Composition(std::move(components), std::move(datasets), std::move(rows));
}

double Composition::at(size_t component, size_t dataset) const {
  DEMIX_CHECK(component < components_.size() && dataset < datasets_.size());
  return rows_[component * datasets_.size() + dataset];
}

std::vector<double> Composition::data_shares(std::span<const double> merge_weights) const {
  if (merge_weights.size() != components_.size()) {
    throw Error("{} merge weights for {} components", merge_weights.size(), components_.size());
  }
  std::vector<double> shares(datasets_.size());
  for (size_t i = 0; i < components_.size(); ++i) {
    for (size_t j = 0; j < datasets_.size(); ++j) shares[j] += merge_weights[i] * at(i, j);
  }
  return shares;
}

Mixture Composition::data_shares(const Mixture& merge_weights) const {
  if (merge_weights.names != components_) {
    throw Error("merge weights name other components than the composition, or in another order");
  }
  return {datasets_, data_shares(merge_weights.weights)};
}

Projection Composition::project(std::span<const double> data_shares) const {
  const auto wanted = checked_weights(
      {data_shares.begin(), data_shares.end()}, "data shares to project", [&](size_t j) {
        return j < datasets_.size() ? datasets_[j] : "?";
      });
  if (wanted.size() != datasets_.size()) {
    throw Error("{} data shares for {} datasets", wanted.size(), datasets_.size());
  }
  const size_t n = components_.size();

  std::vector<LinearConstraint> simplex = {{std::vector<double>(n, 1), 1, true}};
  for (size_t i = 0; i < n; ++i) {
    simplex.push_back({std::vector<double>(n), 0});
    simplex.back().normal[i] = 1;
  }
  // ½‖Cᵀα − p‖² is flat where components repeat one another, so each step adds a small pull to the
  // step before (proximal point method). That leaves the minimum where it is, and a few steps reach
  // it.
  constexpr double kPull = 1e-6;
  std::vector<double> hessian(n * n), towards(n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < n; ++k) {
      for (size_t j = 0; j < datasets_.size(); ++j) hessian[i * n + k] += at(i, j) * at(k, j);
    }
    hessian[i * n + i] += kPull;
    for (size_t j = 0; j < datasets_.size(); ++j) towards[i] += at(i, j) * wanted[j];
  }
  std::vector<double> alpha(n, 1.0 / static_cast<double>(n)), gradient(n);
  for (int step = 0; step < 20; ++step) {
    for (size_t i = 0; i < n; ++i) gradient[i] = -towards[i] - kPull * alpha[i];
    auto solution = minimise_quadratic(hessian, gradient, simplex);
    DEMIX_CHECK(solution.feasible());
    // The simplex holds to rounding; make it exact.
    double sum = 0;
    for (double& a : solution.x) sum += a = std::max(a, 0.0);
    for (double& a : solution.x) a /= sum;
    const double moved = l1_distance(alpha, solution.x);
    alpha = std::move(solution.x);
    if (moved < 1e-13) break;
  }

  Projection result{.merge_weights = alpha,
                    .data_shares = this->data_shares(alpha),
                    .l2_distance = 0,
                    .total_variation = 0};
  for (size_t j = 0; j < wanted.size(); ++j) {
    const double difference = result.data_shares[j] - wanted[j];
    result.l2_distance += difference * difference;
  }
  result.l2_distance = std::sqrt(result.l2_distance);
  result.total_variation = 0.5 * l1_distance(result.data_shares, wanted);
  return result;
}

}  // namespace demix
