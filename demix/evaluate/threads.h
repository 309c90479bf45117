// Work spread over threads by whole pieces.
#pragma once

#include <cstddef>
#include <functional>

namespace demix {

// Calls work for 0, …, count - 1 from as many threads as ATen would use, within which ATen's
// operations run serially: no barrier within a piece, and its data stay in one core's cache. Each
// thread begins with its own `work`, which make_work gives it. The first exception ends the rest
// and is thrown.
using Work = std::function<void(size_t)>;
void in_single_threads(size_t count, const std::function<Work()>& make_work);

}  // namespace demix
