// multislerp: the mean direction of any number of models or updates, at their mean length (Goddard,
// "Multi-SLERP", https://goddard.blog/posts/multislerp-wow-what-a-cool-idea).
//
//   u_k = x_k / (|x_k| + ε),   m = Σ a_k u_k,   W = o + Σ a_k |x_k| · m / |m|
//
// x_k = Θ_k − o, each tensor as one vector; o the base or without one zero; a = w / Σ w.
//
// The source goes on from m / |m| by the weighted mean of the u_k's parts tangent to it, on the
// sphere. That mean is m − (m·m/|m|) m/|m| = 0 always, so the step is left out; mergekit computes
// it, and differs by its rounding. For the point that such steps lead to see karcher.cc.
//
// Parameters:
//   weight             of each model, required
//   normalize_weights  true: a = w / Σ w; false: a = w
//   eps                1e-8: ε; a shorter m means directions that cancel out: two models are then
//                      merged linearly (a_1 x_1 + a_2 x_2), more are an error
//
// One model alone is returned as it is, whatever its weight.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"
#include "demix/merge/span_merge.h"

namespace demix {
namespace {

// Of the length of m: what float32 directions can differ by without meaning it.
constexpr double kRounding = 1e-7;

constexpr MergeParameter kParameters[] = {
    {.name = "weight",
     .meaning = "weight of a model; any finite number",
     .scope = MergeParameter::Scope::kModel,
     .default_value = std::numeric_limits<double>::quiet_NaN()},
    {.name = "normalize_weights",
     .meaning = "divide the weights by their sum",
     .type = MergeParameter::Type::kFlag,
     .default_value = 1},
    {.name = "eps", .meaning = "length that counts as zero", .default_value = 1e-8, .least = 0},
};

double sum_of_weights(const MergeParameters& parameters) {
  const std::span<const double> given = parameters.of_models("weight");
  return std::accumulate(given.begin(), given.end(), 0.0);
}

void check(const MergeParameters& parameters, bool) {
  const double sum = sum_of_weights(parameters);
  if (parameters.flag("normalize_weights") && parameters.models() > 1 && std::abs(sum) < 1e-8) {
    throw Error(
        "the weights sum to {}, so that they cannot be divided by their sum; expected "
        "another sum, or normalize_weights: false",
        sum);
  }
}

std::vector<double> weights(const MergeParameters& parameters) {
  if (parameters.models() == 1) return {1};
  const std::span<const double> given = parameters.of_models("weight");
  std::vector<double> shares(given.begin(), given.end());
  if (parameters.flag("normalize_weights")) {
    for (double& share : shares) share /= sum_of_weights(parameters);
  }
  return shares;
}

void merge(const TensorMerge& tensor, float* out) {
  const std::vector<double> shares = weights(tensor.parameters);
  const double eps = tensor.parameters.number("eps");
  const auto coefficients = [&](const InnerProducts& products, std::span<double> c) {
    const size_t K = products.vectors();
    std::ranges::copy(shares, c.begin());
    if (K == 1) return;
    double mean_length = 0;
    for (size_t k = 0; k < K; ++k) {
      mean_length += shares[k] * products.length(k);
      c[k] = shares[k] / (products.length(k) + eps);
    }
    const double direction = products.length_of_sum(c);
    if (direction < std::max(eps, kRounding)) {
      if (K == 2) {
        std::ranges::copy(shares, c.begin());
        return;
      }
      throw Error(
          "multislerp: the weighted directions of the {} models cancel out, so that they "
          "have no mean direction; change the weights, or take linear",
          K);
    }
    for (double& factor : c) factor *= mean_length / direction;
  };
  merge_in_span(tensor, VectorsAlong::kTensor, coefficients, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod multislerp;
const MergeMethod multislerp = {
    .name = "multislerp",
    .paper = "Goddard, https://goddard.blog/posts/multislerp-wow-what-a-cool-idea",
    .base = BaseUse::kOptional,
    .parameters = kParameters,
    .merge = merge,
    .effective_weights = weights,
    .check = check};
}  // namespace merge_method
}  // namespace demix
