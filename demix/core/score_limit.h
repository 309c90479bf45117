#pragma once

namespace demix {

// Scores from elsewhere are refused beyond this magnitude: sums of their squares must be finite.
inline constexpr double kLargestScore = 1e100;

}  // namespace demix
