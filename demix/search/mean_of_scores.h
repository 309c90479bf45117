// The mean of the scores at every mixture: what is left to say where nothing was learned.
#pragma once

#include <memory>

#include "demix/search/predictor.h"

namespace demix {

// Uncertain by the standard error of the mean, noisy by the scores' standard deviation.
std::unique_ptr<Predictor> make_mean_of_scores();

}  // namespace demix
