// passthrough: one model as it is, or scaled (mergekit).
//
//   W = c Θ
//
// Parameters:
//   scale   1: c
#include <algorithm>

#include "demix/merge/blocks.h"
#include "demix/merge/kernels.h"
#include "demix/merge/method.h"

namespace demix {
namespace {

constexpr MergeParameter kParameters[] = {
    {.name = "scale",
     .meaning = "factor of the model",
     .scope = MergeParameter::Scope::kModel,
     .default_value = 1},
};

void merge(const TensorMerge& tensor, float* out) {
  const float scale = static_cast<float>(tensor.parameters.of_models("scale")[0]);
  for_each_item(part_count(tensor.count), tensor.threads, [&](int, int64_t part) {
    const int64_t begin = part * kPart, size = std::min(kPart, tensor.count - begin);
    std::copy_n(tensor.models[0] + begin, size, out + begin);
    if (scale != 1) multiply(scale, size, out + begin);
  });
}

std::vector<double> weights(const MergeParameters& parameters) {
  return {parameters.of_models("scale")[0]};
}

}  // namespace

namespace merge_method {
extern const MergeMethod passthrough;
const MergeMethod passthrough = {.name = "passthrough",
                                 .paper = "mergekit, https://github.com/arcee-ai/mergekit",
                                 .base = BaseUse::kNone,
                                 .most_models = 1,
                                 .parameters = kParameters,
                                 .merge = merge,
                                 .effective_weights = weights,
                                 .elementwise = true};
}  // namespace merge_method
}  // namespace demix
