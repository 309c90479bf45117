// What lies in the middle of a swarm's scores.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace demix {

// The upper of two in the middle. `values` are at least one.
inline double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace demix
