// What really trained scores are to be expected, learned from a few references: the truth where it
// was measured, estimates that cost no training everywhere.
//
// A Gaussian process after Kennedy and O'Hagan (Biometrika 87, 2000): the trained score is a linear
// function of the estimates, plus a discrepancy that is smooth over the mixtures, plus noise,
//   y(p) = β₀ + βᵀe(p) + δ(p) + ε,   β ~ N(0, a²/E),   δ ~ GP(0, g² k(|√p − √p'| / ℓ)),
// in standard deviations over the references; k is Matérn's of smoothness 3/2, and √p makes
// Hellinger's distance. Where references are few the estimates decide, where they are near the
// discrepancy does. a, g, ℓ and the noise are averaged over a grid by their posterior instead of
// chosen, which few references could not.
#pragma once

#include <span>
#include <vector>

#include "demix/search/points.h"
#include "demix/search/predictor.h"

namespace demix {

class Calibration {
 public:
  // `estimates` [estimate][reference] (there may be none), data shares and trained scores by
  // reference, of at least three; estimates that are constant say nothing and get no weight.
  Calibration(std::span<const std::vector<double>> estimates,
              const Points& shares,
              std::span<const double> trained);

  // Of one training of a mixture with these estimates.
  Forecast expected(std::span<const double> estimates, std::span<const double> shares) const;

 private:
  // One point of the grid, conditioned on the references.
  struct Process {
    double weight;                      // posterior
    double line, bump, length, noise;   // a, g, ℓ, deviation of ε
    std::vector<double> solved;         // K⁻¹y
    std::vector<double> inverse_lower;  // L⁻¹, row by row, K = LLᵀ
  };

  double mean_ = 0, scale_ = 1;                           // of the trained scores
  std::vector<double> estimate_means_, estimate_scales_;  // scale: 0 where constant
  Points standardised_;                                   // estimates by reference; one 0 if none
  Points roots_;                                          // of the shares
  std::vector<Process> processes_;
};

// A mixture and what is known of it without training.
struct EstimatedMixture {
  std::vector<double> shares;                  // of the data
  std::vector<std::vector<double>> estimates;  // [estimate][domain]; NaN where there is none
};

// One calibration for each domain, of the estimates that all references have for it.
class DomainCalibrations {
 public:
  // `trained` [reference][domain], of at least three references.
  DomainCalibrations(std::span<const EstimatedMixture> references,
                     const std::vector<std::vector<double>>& trained);

  // By domain, of one training of the mixture, which has the references' kinds of estimates.
  std::vector<Forecast> expected(const EstimatedMixture& mixture) const;

 private:
  std::vector<std::vector<size_t>> used_;  // estimates, by domain
  std::vector<Calibration> calibrations_;
};

// What is expected of each reference, by domain, by the calibration on others: comparable with
// scores that never saw a reference. By all others, or where there are more than kGroups of them by
// those of the other groups. Needs at least four.
inline constexpr size_t kGroups = 32;
std::vector<std::vector<Forecast>> calibrated_by_others(
    std::span<const EstimatedMixture> references, const std::vector<std::vector<double>>& trained);

// The same by `few` others: in groups of that many, in order, each by the group before it. What few
// references are worth. `few` at least three; nothing where there are fewer than two groups.
std::vector<std::vector<Forecast>> calibrated_by_few(
    std::span<const EstimatedMixture> references,
    const std::vector<std::vector<double>>& trained,
    size_t few);

}  // namespace demix
