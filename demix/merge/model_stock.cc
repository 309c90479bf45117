// model_stock: between the base and the mean of the models, at the place that the angle between
// their updates tells (Jang, Yun and Han 2024, "Model Stock", https://arxiv.org/abs/2403.19522).
//
//   cos = mean over pairs of cos(Δ_i, Δ_j),   Δ_k = Θ_k − base
//   t   = K cos / (1 + (K − 1) cos)
//   W   = base + t (Σ_k Θ_k / K − base)
//
// Each tensor is one vector. Takes no weights: the formula supposes models that are exchangeable.
//
// Parameters:
//   filter_wise   false; true: cos and t for each slice along the last dimension
//
// As in mergekit, a product of lengths |Δ_i||Δ_j| below 1e-6 counts as 1e-6, which moves tensors
// that hardly changed towards the base, and where the denominator vanishes W is the base.
#include <algorithm>
#include <cmath>

#include "demix/merge/span_merge.h"

namespace demix {
namespace {

constexpr double kSmallest = 1e-6;

constexpr MergeParameter kParameters[] = {
    {.name = "filter_wise",
     .meaning = "a factor for each slice along the last dimension, not for each tensor",
     .type = MergeParameter::Type::kFlag},
};

void merge(const TensorMerge& tensor, float* out) {
  const auto coefficients = [](const InnerProducts& products, std::span<double> c) {
    const size_t K = products.vectors();
    double cosine = 0;
    for (size_t i = 0; i < K; ++i) {
      for (size_t j = 0; j < i; ++j) {
        const double lengths = std::max(products.length(i) * products.length(j), kSmallest);
        cosine += std::clamp(products.at(i, j) / lengths, -1.0, 1.0);
      }
    }
    const double count = static_cast<double>(K);
    cosine /= count * (count - 1) / 2;
    const double denominator = 1 + (count - 1) * cosine;
    const double t = std::abs(denominator) < kSmallest ? 0 : count * cosine / denominator;
    std::ranges::fill(c, t / count);
  };
  const bool slices = tensor.parameters.flag("filter_wise");
  merge_in_span(tensor, slices ? VectorsAlong::kLast : VectorsAlong::kTensor, coefficients, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod model_stock;
const MergeMethod model_stock = {.name = "model_stock",
                                 .paper = "Jang et al. 2024, https://arxiv.org/abs/2403.19522",
                                 .base = BaseUse::kRequired,
                                 .fewest_models = 2,
                                 .parameters = kParameters,
                                 .merge = merge};
}  // namespace merge_method
}  // namespace demix
