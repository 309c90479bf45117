// slerp: spherical linear interpolation (Shoemake 1985, "Animating rotation with quaternion
// curves", https://doi.org/10.1145/325165.325242) between two models, each tensor as one vector.
//
//   W = (sin((1 − t)θ) a + sin(tθ) b) / sin θ,   θ the angle between a and b
//
// The directions are interpolated, not the lengths; where |cos θ| > 0.9995, W = (1 − t) a + t b.
//
// Parameters:
//   t   required: 0 gives a, 1 gives b, values outside extrapolate along the arc
//
// With one model, a is the base (mergekit's rule); with two, a and b are the models in their order,
// and a base plays no part.
#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/merge/span_merge.h"

namespace demix {
namespace {

// mergekit's: lengths below count as one, cosines beyond as parallel.
constexpr double kSmallestLength = 1e-8, kParallel = 0.9995;

constexpr MergeParameter kParameters[] = {
    {.name = "t",
     .meaning = "place between the two models: 0 the first (or the base), 1 the second",
     .default_value = std::numeric_limits<double>::quiet_NaN()},
};

void check(const MergeParameters& parameters, bool has_base) {
  if (parameters.models() == 1 && !has_base) {
    throw Error(
        "merge method slerp goes from one model to another: expected two models, or one and "
        "a base, found one model");
  }
}

std::vector<double> weights(const MergeParameters& parameters) {
  const double t = parameters.number("t");
  if (parameters.models() == 1) return {t};
  return {1 - t, t};
}

void merge(const TensorMerge& tensor, float* out) {
  std::vector<const float*> ends(tensor.models.begin(), tensor.models.end());
  if (ends.size() == 1) ends.insert(ends.begin(), tensor.base);
  const double t = tensor.parameters.number("t");
  const auto coefficients = [t](const InnerProducts& products, std::span<double> c) {
    const auto length = [&](size_t i) {
      return products.length(i) > kSmallestLength ? products.length(i) : 1;
    };
    const double cosine = std::clamp(products.at(0, 1) / length(0) / length(1), -1.0, 1.0);
    c[0] = 1 - t;
    c[1] = t;
    if (std::abs(cosine) > kParallel) return;
    const double angle = std::acos(cosine);
    for (double& part : c) part = std::sin(part * angle) / std::sin(angle);
  };
  merge_in_span(ends,
                nullptr,
                tensor.shape,
                tensor.count,
                VectorsAlong::kTensor,
                tensor.threads,
                coefficients,
                out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod slerp;
const MergeMethod slerp = {.name = "slerp",
                           .paper = "Shoemake 1985, https://doi.org/10.1145/325165.325242",
                           .base = BaseUse::kOptional,
                           .most_models = 2,
                           .parameters = kParameters,
                           .merge = merge,
                           .effective_weights = weights,
                           .check = check};
}  // namespace merge_method
}  // namespace demix
