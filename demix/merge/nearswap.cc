// nearswap: the other model where it is near the base, and less of it the farther it is
// (https://huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001).
//
//   W = (1 − c) base + c Θ,   c = min(1, max(0, t / |Θ − base|)) at each place
//
// Parameters:
//   t   required: the distance up to which elements are taken over; farther ones move by t
//
// As in mergekit, distances below 1e-6 count as 1e-6.
#include <algorithm>
#include <cmath>

#include "demix/merge/blocks.h"
#include "demix/merge/method.h"

namespace demix {
namespace {

constexpr float kSmallest = 1e-6F;

constexpr MergeParameter kParameters[] = {
    {.name = "t",
     .meaning = "distance from the base up to which elements of the model are taken over",
     .default_value = std::numeric_limits<double>::quiet_NaN()},
};

void merge(const TensorMerge& tensor, float* out) {
  const float t = static_cast<float>(tensor.parameters.number("t"));
  const float* const base = tensor.base;
  const float* const model = tensor.models[0];
  for_each_block(
      tensor.count, kBlock, tensor.threads, [&](int, int64_t, int64_t begin, int64_t size) {
        for (int64_t i = begin; i < begin + size; ++i) {
          const float distance = std::max(std::abs(base[i] - model[i]), kSmallest);
          const float share = std::clamp(t / distance, 0.F, 1.F);
          out[i] = share * model[i] + (1 - share) * base[i];
        }
      });
}

}  // namespace

namespace merge_method {
extern const MergeMethod nearswap;
const MergeMethod nearswap = {
    .name = "nearswap",
    .paper = "https://huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001",
    .base = BaseUse::kRequired,
    .most_models = 1,
    .parameters = kParameters,
    .merge = merge,
    .elementwise = true};
}  // namespace merge_method
}  // namespace demix
