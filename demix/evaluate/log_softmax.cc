#include "demix/evaluate/log_softmax.h"

#include <algorithm>
#include <cmath>

namespace demix {
namespace {

template <typename T>
DEMIX_INLINE void load_tail(const T* from, int64_t count, Floats& to) {
  to = Floats{} - INFINITY;
  for (int64_t i = 0; i < count; ++i) to[i] = to_float(from[i]);
}

template <typename T>
DEMIX_INLINE void add(const T* logits,
                      int64_t columns,
                      int64_t stride,
                      std::span<RunningSum> sums) {
  const int64_t whole = columns / kLanes * kLanes;
  for (RunningSum& row : sums) {
    Floats x, largest;
    load_tail(logits + whole, columns - whole, largest);
    for (int64_t i = 0; i < whole; i += kLanes) {
      load(logits + i, x);
      largest = x > largest ? x : largest;
    }
    const float top = std::max(row.largest, largest_of(largest));
    Floats sum;
    load_tail(logits + whole, columns - whole, sum);
    sum -= top;
    exponentiate(sum);
    for (int64_t i = 0; i < whole; i += kLanes) {
      load(logits + i, x);
      x -= top;
      exponentiate(x);
      sum += x;
    }
    // The lanes behind the last column hold exp(-86): nothing beside the largest logit's 1.
    row.sum = row.sum * std::exp(row.largest - top) + sum_of(sum);
    row.largest = top;
    logits += stride;
  }
}

}  // namespace

DEMIX_CPU_CLONES void add_logits(const float* logits,
                                 int64_t columns,
                                 int64_t stride,
                                 std::span<RunningSum> sums) {
  add(logits, columns, stride, sums);
}

DEMIX_CPU_CLONES void add_logits(const BFloat16* logits,
                                 int64_t columns,
                                 int64_t stride,
                                 std::span<RunningSum> sums) {
  add(logits, columns, stride, sums);
}

}  // namespace demix
