// A Gaussian process over mixtures, with the marginal likelihood open to tests and studies.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "demix/search/predictor.h"

namespace demix {

// All that is learned by marginal likelihood. Columns are those of the mixtures.
struct GaussianProcessParameters {
  double offset;     // ε: shares far below it are the same as none
  double power;      // λ: 0 is the logarithm of the shares, ½ Hellinger's distance, 1 plain shares
  double skew;       // κ: how much coarser large scores are than small ones; 0: alike
  double amplitude;  // standard deviation of the Matérn part, in those of the scores
  // What a repetition would change, two parts that add as squares: as coarse as the skew says that
  // scores are, and the same at all scores.
  double noise;                 // standard deviation in those of the skewed scores
  double score_noise;           // standard deviation in those of the scores
  double trend;                 // standard deviation of the slope of the linear part
  std::vector<double> lengths;  // by column, where 1 is the way from share 0 to share 1
};

// Log marginal likelihood of the scores, in their own unit, without the prior of the parameters;
// -infinity where rounding leaves no positive definite matrix. Derivatives, where `gradient` is not
// empty, are with respect to log offset, power, skew, log amplitude, log noise, log score noise,
// log trend and the logs of the lengths.
double log_marginal_likelihood(const GaussianProcessParameters& parameters,
                               const Points& mixtures,
                               std::span<const double> scores,
                               std::span<const double> standard_errors,
                               std::span<double> gradient);

// A predictor whose parameters are given instead of learned; not empty mixtures.
std::unique_ptr<Predictor> gaussian_process_of(const GaussianProcessParameters& parameters,
                                               const Points& mixtures,
                                               std::span<const double> scores,
                                               std::span<const double> standard_errors = {});

std::unique_ptr<Predictor> make_gaussian_process(const GaussianProcessConfig& config);

}  // namespace demix
