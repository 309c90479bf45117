#pragma once

#include <memory>
#include <span>

#include "demix/search/predictor.h"

namespace demix {

// The mixing law's loss with its derivatives by (floor, sign of the exponential times
// coefficients): mean over rows of Huber(c + sign·exp(t·p) - y, width) + penalty · ‖t - t̄‖². `law`
// is c, then t.
double log_linear_loss(std::span<const double> law,
                       double sign,
                       const Points& mixtures,
                       std::span<const double> scores,
                       double width,
                       double penalty,
                       std::span<double> gradient);

std::unique_ptr<Predictor> make_log_linear(const LogLinearConfig& config);

}  // namespace demix
