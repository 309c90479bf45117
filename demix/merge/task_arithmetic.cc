// task_arithmetic: sums of updates (Ilharco et al. 2023, "Editing models with task arithmetic",
// https://arxiv.org/abs/2212.04089).
//
//   W = base + λ Σ_k w_k (Θ_k − base)
//
// Parameters:
//   weight     of each model, required
//   normalize  false; true: the sum of updates is divided by Σ w (unless that is below 1e-8)
//   lambda     1
//   int8_mask  false; changes nothing
#include "demix/merge/updates.h"

namespace demix {
namespace {

constexpr MergeParameter kParameters[] = {
    update_parameters::weight(),
    update_parameters::normalize(false),
    update_parameters::lambda(),
    update_parameters::int8_mask(),
};

void merge(const TensorMerge& tensor, float* out) { merge_updates(tensor, nullptr, false, out); }

}  // namespace

namespace merge_method {
extern const MergeMethod task_arithmetic;
const MergeMethod task_arithmetic = {
    .name = "task_arithmetic",
    .paper = "Ilharco et al. 2023, https://arxiv.org/abs/2212.04089",
    .base = BaseUse::kRequired,
    .parameters = kParameters,
    .merge = merge,
    .effective_weights = update_weights,
    .elementwise = true};
}  // namespace merge_method
}  // namespace demix
