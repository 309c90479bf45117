// Mixtures: named weights on the simplex, and the map from merge weights to data shares.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

// Weights over the datasets or the components of a run, in the run's order. Where a mixture comes
// from outside, it passes through checked_mixture first.
struct Mixture {
  std::vector<std::string> names;
  std::vector<double> weights;

  size_t size() const { return weights.size(); }
  // The weight of `name`. Throws Error when there is none.
  double at(std::string_view name) const;
};

// The mixture with these weights, rescaled to sum to one. Throws Error unless names are distinct
// and weights finite, >= 0 and sum to one within 1e-3. `where` says what is checked:
// "baselines.mine".
Mixture checked_mixture(std::vector<std::string> names,
                        std::vector<double> weights,
                        std::string_view where);

// Σ |a_i - b_i| over entries in the same order.
double l1_distance(std::span<const double> a, std::span<const double> b);

// The reachable mixture closest to a wanted one.
struct Projection {
  std::vector<double> merge_weights;  // α
  std::vector<double> data_shares;    // p = αᵀC
  double l2_distance;
  double total_variation;  // half the L1 distance: the share of the data that differs
};

// What each component was trained on: C, rows are components, columns datasets, each row sums to
// one. A component trained on its dataset and on the anchor dataset makes merge weights α differ
// from the data shares p = αᵀC, and some p unreachable.
class Composition {
 public:
  // Throws Error when a row is not a mixture over the datasets.
  Composition(std::vector<std::string> components,
              std::vector<std::string> datasets,
              std::vector<std::vector<double>> rows);

  // One component per dataset, trained on (1-β) of it and β of the anchor; the anchor's own
  // component is all anchor. Throws Error unless 0 <= β < 1 and the anchor is a dataset (any, when
  // β = 0).
  static Composition anchored(std::vector<std::string> datasets,
                              std::string_view anchor,
                              double anchor_share);

  const std::vector<std::string>& components() const { return components_; }
  const std::vector<std::string>& datasets() const { return datasets_; }
  // C of one component and one dataset, by position.
  double at(size_t component, size_t dataset) const;

  // p = αᵀC. Throws Error when there is not one weight per component.
  std::vector<double> data_shares(std::span<const double> merge_weights) const;
  Mixture data_shares(const Mixture& merge_weights) const;

  // The α on the simplex for which ‖αᵀC − p‖₂ is smallest, exactly (active set). p must be a
  // mixture over the datasets. When several α reach it, one of them.
  Projection project(std::span<const double> data_shares) const;

 private:
  std::vector<std::string> components_, datasets_;
  std::vector<double> rows_;  // components × datasets
};

}  // namespace demix
