// The softmax of attention's scores, which lie in panels of positions.
#pragma once

#include <cmath>
#include <cstdint>

#include "demix/core/simd.h"

namespace demix {

constexpr int64_t kPanelPositions = 64;

// Of a query's scores in `panels` panels, `next` elements apart: exp(score · scale - largest) at
// positions [0, seen), zero behind them. Returns 1 / their sum. The probabilities, float or
// BFloat16, lie as the scores do, and may take their place.
template <typename Isa, typename C>
DEMIX_INLINE float soften_scores(const float* scores,
                                 int64_t next,
                                 int64_t seen,
                                 int64_t panels,
                                 float scale,
                                 C* probabilities) {
  using Floats = typename Isa::Floats;
  const Floats lane = lane_numbers<Floats>(), lowest = every_lane<Floats>(-INFINITY);
  Floats largest = lowest, x;
  const auto place = [&](int64_t at) { return at / kPanelPositions * next + at % kPanelPositions; };
  for (int64_t at = 0; at < seen; at += kLanes) {
    load(scores + place(at), x);
    x = choose(lane < static_cast<float>(seen - at), x, lowest);
    largest = choose(x > largest, x, largest);
  }
  const float top = largest_of(largest) * scale;
  Floats sum = {};
  for (int64_t at = 0; at < panels * kPanelPositions; at += kLanes) {
    C* to = probabilities + place(at);
    if (at >= seen) {
      Isa::store(Floats{}, to);
      continue;
    }
    load(scores + place(at), x);
    x = x * scale - top;
    Isa::exponentiate(x);
    x = choose(lane < static_cast<float>(seen - at), x, Floats{});
    sum += x;
    Isa::store(x, to);
  }
  return 1 / sum_of(sum);
}

}  // namespace demix
