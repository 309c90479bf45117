// linear: weighted mean (Wortsman et al. 2022, "Model soups", https://arxiv.org/abs/2203.05482),
// and the proxy of a mixture with a scale on the updates.
//
//   W = Σ_k a_k Θ_k,   a = w / Σ w;   with a base and λ:  W = base + λ Σ_k a_k (Θ_k − base)
//
// Parameters:
//   weight     of each model, required
//   normalize  true: weights are divided by their sum; false: used as they are
//   lambda     1: factor of the updates; the base is read only where it is not 1
//
// Without normalisation, weights of another sum than one give Σ w Θ for λ = 1 (as in mergekit) but
// base + λ Σ w (Θ − base) for any other λ.
// mergekit sums in float32 and divides at the end; here weights are divided before, which differs
// by roundings. Weights that sum to zero give infinities there, an error here. There, a base_model
// is one more model that wants a weight.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"
#include "demix/merge/blocks.h"
#include "demix/merge/linear.h"
#include "demix/merge/updates.h"

namespace demix {
namespace {

constexpr MergeParameter kParameters[] = {
    {.name = "weight",
     .meaning = "factor of a model; any finite number",
     .scope = MergeParameter::Scope::kModel,
     .default_value = std::numeric_limits<double>::quiet_NaN()},
    {.name = "normalize",
     .meaning = "divide the weights by their sum",
     .type = MergeParameter::Type::kFlag,
     .default_value = 1},
    {.name = "lambda",
     .meaning = "factor of the updates in base + λ Σ w (model − base)",
     .default_value = 1},
};

void check(const MergeParameters& parameters, bool has_base) {
  const std::span<const double> weights = parameters.of_models("weight");
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (parameters.flag("normalize") && std::abs(sum) < 1e-8) {
    throw Error(
        "the weights sum to {}, so that they cannot be divided by their sum; expected "
        "another sum, or normalize: false",
        sum);
  }
  if (parameters.number("lambda") != 1 && !has_base) {
    throw Error("lambda is {}, which scales the difference from a base, but there is no base",
                parameters.number("lambda"));
  }
}

void merge(const TensorMerge& tensor, float* out) {
  std::vector<float> weights;
  double sum = 0;
  for (double weight : update_weights(tensor.parameters)) {
    weights.push_back(static_cast<float>(weight));
    sum += weight;
  }
  std::vector<const float*> models(tensor.models.begin(), tensor.models.end());
  if (tensor.parameters.number("lambda") != 1) {
    models.push_back(tensor.base);
    weights.push_back(static_cast<float>(1 - sum));
  }
  for_each_item(part_count(tensor.count), tensor.threads, [&](int, int64_t part) {
    const int64_t begin = part * kPart;
    std::vector<const float*> starts;
    for (const float* model : models) starts.push_back(model + begin);
    merge_linear(std::span<const float* const>(starts),
                 weights,
                 std::min(kPart, tensor.count - begin),
                 out + begin);
  });
}

}  // namespace

namespace merge_method {
extern const MergeMethod linear;
const MergeMethod linear = {.name = "linear",
                            .paper = "Wortsman et al. 2022, https://arxiv.org/abs/2203.05482",
                            .base = BaseUse::kOptional,
                            .parameters = kParameters,
                            .merge = merge,
                            .effective_weights = update_weights,
                            .check = check,
                            .elementwise = true};
}  // namespace merge_method
}  // namespace demix
