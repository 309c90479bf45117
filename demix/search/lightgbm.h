#pragma once

#include <memory>

#include "demix/search/predictor.h"

namespace demix {

std::unique_ptr<Predictor> make_lightgbm(const LightGbmConfig& config);

}  // namespace demix
