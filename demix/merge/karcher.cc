// karcher: the Karcher (Riemannian) mean of the models' directions on the sphere, at their mean
// length (Karcher 1977, https://doi.org/10.1002/cpa.3160300502; for merging
// https://arxiv.org/abs/2603.04972), each tensor as one vector.
//
//   u_k = Θ_k / |Θ_k|,   m ← Σ a_k u_k / |…|
//   repeat:  v = Σ_k a_k θ_k / sin θ_k (u_k − cos θ_k m),  cos θ_k = m · u_k
//            m ← cos|v| m + sin|v| v / |v|
//   W = Σ_k a_k |Θ_k| · m,   a = w / Σ w
//
// Parameters:
//   weight     1, of each model, not negative; equal weights are mergekit, which has none
//   max_iter   10: repetitions at most
//   tol        1e-5: stops when |v| is below; shorter models have no direction, nearer ones no pull
//
// The iteration runs on the models' inner products (span_merge.h), not on the tensors. A model
// opposite to the mean has no pull either: every way to it is equally short.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "demix/core/error.h"
#include "demix/merge/span_merge.h"

namespace demix {
namespace {

constexpr MergeParameter kParameters[] = {
    {.name = "weight",
     .meaning = "weight of a model, relative to the sum of all",
     .scope = MergeParameter::Scope::kModel,
     .default_value = 1,
     .least = 0},
    {.name = "max_iter",
     .meaning = "repetitions at most",
     .type = MergeParameter::Type::kInteger,
     .default_value = 10,
     .least = 0},
    {.name = "tol", .meaning = "angle that counts as none", .default_value = 1e-5, .least = 0},
};

void check(const MergeParameters& parameters, bool) {
  const std::span<const double> given = parameters.of_models("weight");
  if (std::accumulate(given.begin(), given.end(), 0.0) <= 0) {
    throw Error("merge method karcher: all weights are zero; expected one above zero");
  }
}

std::vector<double> weights(const MergeParameters& parameters) {
  const std::span<const double> given = parameters.of_models("weight");
  const double sum = std::accumulate(given.begin(), given.end(), 0.0);
  std::vector<double> shares(given.begin(), given.end());
  for (double& share : shares) share /= sum;
  return shares;
}

void merge(const TensorMerge& tensor, float* out) {
  const std::vector<double> shares = weights(tensor.parameters);
  const int64_t most_repetitions = tensor.parameters.integer("max_iter");
  const double tolerance = tensor.parameters.number("tol");
  // Directions are written as factors of the models: c stands for Σ c_k Θ_k.
  const auto coefficients = [&](const InnerProducts& products, std::span<double> c) {
    const size_t K = products.vectors();
    if (K == 1) {
      c[0] = 1;
      return;
    }
    std::vector<double> unit(K, 0);  // u_k = unit[k] Θ_k
    double sum = 0, mean_length = 0;
    for (size_t k = 0; k < K; ++k) {
      const double length = products.length(k);
      mean_length += shares[k] * length;
      if (length <= tolerance) continue;
      unit[k] = 1 / length;
      sum += shares[k];
    }
    std::ranges::fill(c, 0.0);
    if (sum <= 0) return;
    const auto normalize = [&](std::span<double> vector) {
      const double length = products.length_of_sum(vector);
      if (length <= tolerance) return false;
      for (double& factor : vector) factor /= length;
      return true;
    };
    for (size_t k = 0; k < K; ++k) c[k] = shares[k] / sum * unit[k];
    if (!normalize(c)) {
      std::ranges::fill(c, 0.0);
      const auto first = std::ranges::find_if(unit, [](double factor) { return factor > 0; });
      c[first - unit.begin()] = *first;
    }
    std::vector<double> pull(K);
    for (int64_t repetition = 0; repetition < most_repetitions; ++repetition) {
      std::ranges::fill(pull, 0.0);
      for (size_t k = 0; k < K; ++k) {
        if (unit[k] == 0) continue;
        double cosine = 0;
        for (size_t j = 0; j < K; ++j) cosine += c[j] * products.at(j, k) * unit[k];
        cosine = std::clamp(cosine, -1.0, 1.0);
        const double angle = std::acos(cosine);
        if (angle < tolerance || std::numbers::pi - angle < tolerance) continue;
        const double strength = shares[k] / sum * angle / std::sin(angle);
        for (size_t j = 0; j < K; ++j) pull[j] -= strength * cosine * c[j];
        pull[k] += strength * unit[k];
      }
      const double distance = products.length_of_sum(pull);
      if (distance < tolerance) break;
      for (size_t j = 0; j < K; ++j) {
        c[j] = std::cos(distance) * c[j] + std::sin(distance) / distance * pull[j];
      }
      normalize(c);
    }
    for (double& factor : c) factor *= mean_length;
  };
  merge_in_span(tensor.models,
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
extern const MergeMethod karcher;
const MergeMethod karcher = {.name = "karcher",
                             .paper = "Karcher 1977, https://doi.org/10.1002/cpa.3160300502",
                             .base = BaseUse::kNone,
                             .parameters = kParameters,
                             .merge = merge,
                             .effective_weights = weights,
                             .check = check};
}  // namespace merge_method
}  // namespace demix
