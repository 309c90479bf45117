#include "demix/merge/update_statistics.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "demix/core/error.h"
#include "demix/core/simd.h"

namespace demix {
namespace {

// A block of all updates stays in the first-level cache for up to about ten models.
constexpr int64_t kBlock = 1024;

// update = model − base, padded with zeros to whole vectors; square += |model|².
template <typename Isa>
DEMIX_INLINE void subtract_for(
    const float* model, const float* base, int64_t count, float* update, double& square) {
  typename Isa::Floats sum = {}, x, y;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    load(model + i, x);
    load(base + i, y);
    sum += x * x;
    store(x - y, update + i);
  }
  float total = sum_of(sum);
  if (i < count) std::fill(update + i, update + i + kLanes, 0.f);
  for (; i < count; ++i) {
    total += model[i] * model[i];
    update[i] = model[i] - base[i];
  }
  square += total;
}
DEMIX_KERNEL(subtract,
             (const float* model, const float* base, int64_t count, float* update, double& square),
             (model, base, count, update, square))

// dots[j] = x · ys[j] for four rows `stride` apart.
template <typename Isa>
DEMIX_INLINE void dot_four_for(
    const float* x, const float* ys, int64_t stride, int64_t count, float* dots) {
  typename Isa::Floats a = {}, b = {}, c = {}, d = {}, u, v;
  for (int64_t i = 0; i < count; i += kLanes) {
    load(x + i, u);
    load(ys + i, v);
    a += u * v;
    load(ys + stride + i, v);
    b += u * v;
    load(ys + 2 * stride + i, v);
    c += u * v;
    load(ys + 3 * stride + i, v);
    d += u * v;
  }
  dots[0] = sum_of(a);
  dots[1] = sum_of(b);
  dots[2] = sum_of(c);
  dots[3] = sum_of(d);
}
DEMIX_KERNEL(dot_four,
             (const float* x, const float* ys, int64_t stride, int64_t count, float* dots),
             (x, ys, stride, count, dots))

}  // namespace

UpdateStatistics::UpdateStatistics(size_t models, bool with_cosines)
    : models_(models),
      with_cosines_(with_cosines),
      squares_(models),
      dots_(with_cosines ? models * (models + 1) / 2 : models) {}

size_t UpdateStatistics::pair(size_t k, size_t l) const {
  return with_cosines_ ? k * models_ - k * (k + 1) / 2 + l : k;
}

void UpdateStatistics::add(const float* base, std::span<const float* const> models, int64_t count) {
  DEMIX_CHECK(models.size() == models_);
  const auto updates = std::make_unique_for_overwrite<float[]>((models_ + 4) * kBlock);
  // Rows beyond the last model, which only fill up groups of four.
  std::fill_n(updates.get() + models_ * kBlock, 4 * kBlock, 0.f);
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t size = std::min(kBlock, count - begin);
    const int64_t padded = (size + kLanes - 1) / kLanes * kLanes;
    const auto update = [&](size_t k) { return updates.get() + k * kBlock; };
    // The base's square is that of a model without update.
    subtract(base + begin, base + begin, size, update(models_), base_square_);
    for (size_t k = 0; k < models_; ++k)
      subtract(models[k] + begin, base + begin, size, update(k), squares_[k]);
    for (size_t k = 0; k < models_; ++k) {
      const size_t end = with_cosines_ ? models_ : k + 1;
      for (size_t l = k; l < end; l += 4) {
        float dots[4];
        dot_four(update(k), update(l), kBlock, padded, dots);
        for (size_t j = 0; j < 4 && l + j < end; ++j) dots_[pair(k, l + j)] += dots[j];
      }
    }
  }
}

void UpdateStatistics::add(const UpdateStatistics& other) {
  DEMIX_CHECK(other.models_ == models_ && other.with_cosines_ == with_cosines_);
  base_square_ += other.base_square_;
  for (size_t i = 0; i < squares_.size(); ++i) squares_[i] += other.squares_[i];
  for (size_t i = 0; i < dots_.size(); ++i) dots_[i] += other.dots_[i];
}

double UpdateStatistics::base_norm() const { return std::sqrt(base_square_); }
double UpdateStatistics::model_norm(size_t k) const { return std::sqrt(squares_[k]); }
double UpdateStatistics::distance(size_t k) const { return std::sqrt(dots_[pair(k, k)]); }

double UpdateStatistics::drift(size_t k) const {
  const double lengths = model_norm(k) + base_norm();
  return lengths > 0 ? distance(k) / lengths : 0;
}

double UpdateStatistics::cosine(size_t k, size_t l) const {
  DEMIX_CHECK(with_cosines_);
  const double lengths = distance(k) * distance(l);
  if (!(lengths > 0)) return 0;
  return std::clamp(dots_[pair(std::min(k, l), std::max(k, l))] / lengths, -1.0, 1.0);
}

}  // namespace demix
