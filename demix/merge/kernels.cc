#include "demix/merge/kernels.h"

#include <bit>

#include "demix/core/simd.h"
#include "demix/merge/blocks.h"

namespace demix {
namespace {

DEMIX_INLINE uint32_t magnitude(float x) { return std::bit_cast<uint32_t>(x) & 0x7fffffff; }
DEMIX_INLINE float absolute(float x) { return std::bit_cast<float>(magnitude(x)); }

}  // namespace

DEMIX_CPU_CLONES void subtract(const float* model, const float* base, int64_t size, float* delta) {
  for (int64_t i = 0; i < size; ++i) delta[i] = model[i] - base[i];
}

DEMIX_CPU_CLONES void multiply(float factor, int64_t size, float* values) {
  for (int64_t i = 0; i < size; ++i) values[i] *= factor;
}

DEMIX_CPU_CLONES void add_scaled(const float* values, float factor, int64_t size, float* sum) {
  for (int64_t i = 0; i < size; ++i) sum[i] += factor * values[i];
}

DEMIX_CPU_CLONES void add_scaled_update(
    const float* model, const float* base, float factor, int64_t size, float* sum) {
  for (int64_t i = 0; i < size; ++i) sum[i] += factor * (model[i] - base[i]);
}

DEMIX_CPU_CLONES void magnitudes(const float* values, int64_t size, uint32_t* bits) {
  for (int64_t i = 0; i < size; ++i) bits[i] = magnitude(values[i]);
}

DEMIX_CPU_CLONES int64_t count_at_least(const uint32_t* bits, uint32_t limit, int64_t size) {
  int32_t found = 0;
  for (int64_t i = 0; i < size; ++i) found += bits[i] >= limit;
  return found;
}

int64_t collect_between(
    const uint32_t* bits, uint32_t least, uint32_t end, int64_t size, uint32_t* found) {
  int64_t n = 0;
  const uint32_t width = end - least;
  for (int64_t i = 0; i < size; ++i) {
    found[n] = bits[i];  // without a branch: overwritten unless counted
    n += bits[i] - least < width;
  }
  return n;
}

DEMIX_CPU_CLONES void keep_between(uint32_t least, uint32_t end, int64_t size, float* values) {
  const uint32_t width = end - least;
  for (int64_t i = 0; i < size; ++i) {
    values[i] *= magnitude(values[i]) - least < width ? 1.0F : 0.0F;
  }
}

DEMIX_CPU_CLONES void keep_below(const uint32_t* words,
                                 uint32_t limit,
                                 int64_t size,
                                 float* values) {
  for (int64_t i = 0; i < size; ++i) values[i] *= words[i] < limit ? 1.0F : 0.0F;
}

DEMIX_CPU_CLONES void keep_marked(const float* words, uint32_t bits, int64_t size, float* values) {
  for (int64_t i = 0; i < size; ++i) {
    values[i] *= (std::bit_cast<uint32_t>(words[i]) & bits) != 0 ? 1.0F : 0.0F;
  }
}

DEMIX_CPU_CLONES void keep_where(const float* mask, int64_t size, float* values) {
  for (int64_t i = 0; i < size; ++i) values[i] *= mask[i] != 0 ? 1.0F : 0.0F;
}

DEMIX_CPU_CLONES double sum_of_magnitudes(const float* values, int64_t size) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += absolute(values[i + lane]);
  }
  double sum = 0;
  for (; i < size; ++i) sum += absolute(values[i]);
  for (float lane : lanes) sum += lane;
  return sum;
}

double sum_of_squares(const float* values, int64_t size) { return dot(values, values, size); }

DEMIX_CPU_CLONES float largest_magnitude(const float* values, int64_t size) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < size; ++i) {
    const uint32_t bits = magnitude(values[i]);
    largest = bits > largest ? bits : largest;
  }
  return std::bit_cast<float>(largest);
}

DEMIX_CPU_CLONES double dot(const float* a, const float* b, int64_t size) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += double{a[i + lane]} * double{b[i + lane]};
    }
  }
  double sum = 0;
  for (double lane : lanes) sum += lane;
  for (; i < size; ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

DEMIX_CPU_CLONES void variance_of_updates(std::span<const float* const> models,
                                          const float* base,
                                          int64_t begin,
                                          int64_t size,
                                          float* variance) {
  double mean[kBlock] = {}, squares[kBlock] = {};
  const double models_count = static_cast<double>(models.size());
  const float* const from = base + begin;
  for (const float* model : models) {
    const float* const at = model + begin;
    for (int64_t i = 0; i < size; ++i) mean[i] += double{at[i] - from[i]};
  }
  for (int64_t i = 0; i < size; ++i) mean[i] /= models_count;
  for (const float* model : models) {
    const float* const at = model + begin;
    for (int64_t i = 0; i < size; ++i) {
      const double distance = double{at[i] - from[i]} - mean[i];
      squares[i] += distance * distance;
    }
  }
  for (int64_t i = 0; i < size; ++i) variance[i] = static_cast<float>(squares[i] / models_count);
}

DEMIX_CPU_CLONES void add_where_agreed(const float* update,
                                       const float* vote,
                                       float factor,
                                       float weight,
                                       int64_t size,
                                       float* sum,
                                       float* share) {
  for (int64_t i = 0; i < size; ++i) {
    const float x = update[i];
    const float along = vote[i] >= 0 ? x : -x;
    sum[i] += along <= 0 ? 0.0F : factor * x;
    share[i] += along <= 0 ? 0.0F : weight;
  }
}

DEMIX_CPU_CLONES void divide_by_share(const float* share, int64_t size, float* sum) {
  for (int64_t i = 0; i < size; ++i) sum[i] /= share[i] == 0 ? 1.0F : share[i];
}

DEMIX_CPU_CLONES void divide_by_share_at_least(const float* share,
                                               float least,
                                               int64_t size,
                                               float* sum) {
  for (int64_t i = 0; i < size; ++i) sum[i] /= share[i] < least ? least : share[i];
}

DEMIX_CPU_CLONES void add_update(
    const float* base, const float* update, float factor, int64_t size, float* out) {
  for (int64_t i = 0; i < size; ++i) out[i] = base[i] + factor * update[i];
}

}  // namespace demix
