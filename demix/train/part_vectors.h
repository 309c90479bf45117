// Rows whose length is no multiple of a vector's, vector by vector. Isa: see core/simd.h.
#pragma once

#include <algorithm>
#include <cstdint>

#include "demix/core/simd.h"

namespace demix {

// sum[i] += x[i], in float32.
template <typename Isa, typename T>
DEMIX_INLINE void add_to_for(float* sum, const T* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    typename Isa::Floats a, b;
    load_first<Isa>(x + i, n - i, b);
    load_first<Isa>(sum + i, n - i, a);
    store_first<Isa>(a + b, n - i, sum + i);
  }
}

// x, whose first lane is number `place` of a row, with `other` outside [first, last).
template <typename V>
DEMIX_INLINE void keep_between(V& x, int64_t place, int64_t first, int64_t last, float other) {
  const V lane = lane_numbers<V>(), others = every_lane<V>(other);
  if (place < first) x = choose(lane < static_cast<float>(first - place), others, x);
  if (place + kLanes > last) x = choose(lane < static_cast<float>(last - place), x, others);
}

}  // namespace demix
