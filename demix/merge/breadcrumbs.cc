// breadcrumbs: the middle of each update (Davari and Belilovsky 2024, "Model breadcrumbs",
// https://arxiv.org/abs/2312.06795).
//
//   τ_k = Δ_k = Θ_k − base without its γ·n largest elements by magnitude, and of the rest the d·n
//         largest
//   W   = base + λ Σ_k w_k τ_k
//
// Parameters:
//   weight     of each model, required
//   density    1, of each model: the share d that is kept; 1 keeps the largest, too
//   gamma      0.01, of each model: the share γ of the largest that is dropped
//   normalize  false; true: the sum of updates is divided by Σ w
//   lambda     1
//   rescale    false; true or l1, l2, linf: each masked update gets back the norm it had
//   int8_mask  false; changes nothing
//
// Shares are of the tensor, as in the paper and in mergekit; when d + γ exceeds 1, γ gives way. Of
// equal magnitudes at a cut the first count as larger (selection.h).
#include "demix/merge/outlier_pruning.h"

namespace demix {
namespace {

void merge(const TensorMerge& tensor, float* out) {
  const MagnitudePruning pruning = outlier_pruning(tensor);
  merge_updates(tensor, &pruning, false, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod breadcrumbs;
const MergeMethod breadcrumbs = {
    .name = "breadcrumbs",
    .paper = "Davari and Belilovsky 2024, https://arxiv.org/abs/2312.06795",
    .base = BaseUse::kRequired,
    .parameters = kOutlierPruningParameters,
    .merge = merge,
    .effective_weights = update_weights};
}  // namespace merge_method
}  // namespace demix
