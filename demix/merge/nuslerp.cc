// nuslerp: spherical interpolation of two models or of their updates, by weights, of whole tensors
// or of their rows or columns (the NuSLERP of mergekit; formula of Shoemake 1985,
// https://doi.org/10.1145/325165.325242).
//
//   t = w_2 / (w_1 + w_2),   W = o + (sin((1 − t)θ) a + sin(tθ) b) / sin θ
//
// a = Θ_1 − o, b = Θ_2 − o, θ the angle between them, o the base or without one zero. Parallel and
// opposite vectors are interpolated in a straight line (in mergekit rounding may keep opposite ones
// from it, and gives values without bound).
//
// Parameters:
//   weight            of each model, required; if the two sum to less than 1e-6, t = 0.5
//   nuslerp_flatten   true: each tensor is one vector
//   nuslerp_row_wise  false; where flatten is false, a vector is a slice along the last dimension;
//                     true: along the first (mergekit's name for the columns of a matrix of
//                     [outputs, inputs])
#include <algorithm>
#include <cmath>

#include "demix/merge/span_merge.h"

namespace demix {
namespace {

// mergekit's: shorter vectors are divided by this to get their direction.
constexpr double kSmallestLength = 1e-7;

constexpr MergeParameter kParameters[] = {
    {.name = "weight",
     .meaning = "share of a model, relative to the sum of both",
     .scope = MergeParameter::Scope::kModel,
     .default_value = std::numeric_limits<double>::quiet_NaN()},
    {.name = "nuslerp_flatten",
     .meaning = "take each tensor as one vector",
     .type = MergeParameter::Type::kFlag,
     .default_value = 1},
    {.name = "nuslerp_row_wise",
     .meaning = "without nuslerp_flatten: vectors along the first dimension, not the last",
     .type = MergeParameter::Type::kFlag},
};

std::vector<double> weights(const MergeParameters& parameters) {
  const std::span<const double> given = parameters.of_models("weight");
  const double sum = given[0] + given[1];
  const double t = std::abs(sum) < 1e-6 ? 0.5 : given[1] / sum;
  return {1 - t, t};
}

void merge(const TensorMerge& tensor, float* out) {
  const std::vector<double> shares = weights(tensor.parameters);
  const auto coefficients = [&](const InnerProducts& products, std::span<double> c) {
    std::ranges::copy(shares, c.begin());
    const auto length = [&](size_t i) { return std::max(products.length(i), kSmallestLength); };
    const double cosine = std::clamp(products.at(0, 1) / length(0) / length(1), -1.0, 1.0);
    // Parallel in float32, as in mergekit.
    if (std::abs(static_cast<float>(cosine)) == 1) return;
    const double angle = std::acos(cosine);
    for (double& part : c) part = std::sin(part * angle) / std::sin(angle);
  };
  VectorsAlong along = VectorsAlong::kTensor;
  if (!tensor.parameters.flag("nuslerp_flatten")) {
    along = tensor.parameters.flag("nuslerp_row_wise") ? VectorsAlong::kFirst : VectorsAlong::kLast;
  }
  merge_in_span(tensor, along, coefficients, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod nuslerp;
const MergeMethod nuslerp = {.name = "nuslerp",
                             .paper = "Shoemake 1985, https://doi.org/10.1145/325165.325242",
                             .base = BaseUse::kOptional,
                             .fewest_models = 2,
                             .most_models = 2,
                             .parameters = kParameters,
                             .merge = merge,
                             .effective_weights = weights};
}  // namespace merge_method
}  // namespace demix
