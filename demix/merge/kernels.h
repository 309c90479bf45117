// Loops over one block of a tensor, compiled for each instruction set. Sums are taken in a fixed
// order of lanes, so that they do not depend on it either.
#pragma once

#include <cstdint>
#include <span>

namespace demix {

// Magnitudes are ordered as the bits of |x|; NaN counts as larger than infinity.
constexpr uint32_t kMagnitudeEnd = 0x80000000;  // above every magnitude

void subtract(const float* model, const float* base, int64_t size, float* delta);
void multiply(float factor, int64_t size, float* values);
// sum[i] += factor · values[i]
void add_scaled(const float* values, float factor, int64_t size, float* sum);
// sum[i] += factor · (model[i] − base[i])
void add_scaled_update(
    const float* model, const float* base, float factor, int64_t size, float* sum);

void magnitudes(const float* values, int64_t size, uint32_t* bits);
int64_t count_at_least(const uint32_t* bits, uint32_t limit, int64_t size);
// Appends those in [least, end) to `found`, and says how many they are.
int64_t collect_between(
    const uint32_t* bits, uint32_t least, uint32_t end, int64_t size, uint32_t* found);

// Dropping multiplies by zero, so that NaN and infinity are seen in the result, not lost.

// Zeroes all values but those whose magnitude lies in [least, end).
void keep_between(uint32_t least, uint32_t end, int64_t size, float* values);
// Zeroes all values but those whose word is below `limit`.
void keep_below(const uint32_t* words, uint32_t limit, int64_t size, float* values);
// Zeroes all values but those whose word has one of `bits`.
void keep_marked(const float* words, uint32_t bits, int64_t size, float* values);
// Zeroes all values but those whose mask is not zero.
void keep_where(const float* mask, int64_t size, float* values);

double sum_of_magnitudes(const float* values, int64_t size);
double sum_of_squares(const float* values, int64_t size);
float largest_magnitude(const float* values, int64_t size);
// Σ a[i] · b[i], products and sums in double precision.
double dot(const float* a, const float* b, int64_t size);

// variance[i] of models[k][begin + i] − base[begin + i] over k (divided by K), computed in double
// precision; exactly zero where all are the same. At most kBlock elements.
void variance_of_updates(std::span<const float* const> models,
                         const float* base,
                         int64_t begin,
                         int64_t size,
                         float* variance);

// TIES' election for one model: where `update` is not zero and has the sign of `vote` (zero counts
// as positive): sum[i] += factor · update[i], share[i] += weight. NaN always takes part.
void add_where_agreed(const float* update,
                      const float* vote,
                      float factor,
                      float weight,
                      int64_t size,
                      float* sum,
                      float* share);
// sum[i] /= share[i], where the share is zero by one; and the same with shares below `least` taken
// for it.
void divide_by_share(const float* share, int64_t size, float* sum);
void divide_by_share_at_least(const float* share, float least, int64_t size, float* sum);
// out[i] = base[i] + factor · update[i]
void add_update(const float* base, const float* update, float factor, int64_t size, float* out);

}  // namespace demix
