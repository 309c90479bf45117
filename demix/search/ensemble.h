// Predictors on top of fitted ones.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "demix/search/predictor.h"

namespace demix {

// Multiplies the errors of a fitted predictor by `scale`.
std::unique_ptr<Predictor> calibrated(std::unique_ptr<Predictor> fitted, double scale);

// The weighted mean of fitted predictors; weights >= 0 sum to one. Its errors are those of the
// mixture of the members' distributions, so that members that disagree widen them.
std::unique_ptr<Predictor> ensemble_of(std::vector<std::unique_ptr<Predictor>> fitted,
                                       std::vector<double> weights);
Forecast combined(std::span<const Forecast> members, std::span<const double> weights);

// Weights >= 0 that sum to one and make the weighted mean of the members' predictions closest to
// the scores (least squares, Breiman's stacking); predictions are of rows the members did not see.
std::vector<double> stacking_weights(std::span<const std::vector<double>> predictions,
                                     std::span<const double> scores);

}  // namespace demix
