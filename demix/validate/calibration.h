// What really trained scores are to be expected, learned from a few references: the truth where it
// was measured, estimates that cost no training everywhere.
//
// Ridge regression of a domain's trained scores on its estimates, each in standard deviations over
// the references, an intercept free; the penalty is the one with the smallest leave-one-out error.
#pragma once

#include <span>
#include <vector>

namespace demix {

class Calibration {
 public:
  // `estimates` [estimate][reference] and `trained` [reference], of at least three references;
  // estimates that are constant say nothing and get no weight.
  Calibration(std::span<const std::vector<double>> estimates, std::span<const double> trained);

  // Of a mixture with these estimates.
  double expected(std::span<const double> estimates) const;

 private:
  double intercept_;
  std::vector<double> weights_;  // by estimate, in its own unit
};

// The expected score of each reference by the calibration on all the others: comparable with scores
// that never saw a reference. Needs at least four.
std::vector<double> calibrated_by_others(std::span<const std::vector<double>> estimates,
                                         std::span<const double> trained);

// The same by `few` others: in groups of that many, in order, each by the group before it. What few
// references are worth. `few` at least three; nothing where there are fewer than two groups.
std::vector<double> calibrated_by_few(std::span<const std::vector<double>> estimates,
                                      std::span<const double> trained,
                                      size_t few);

}  // namespace demix
