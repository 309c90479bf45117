// breadcrumbs_ties: the middle of each update (Davari and Belilovsky 2024, "Model breadcrumbs",
// https://arxiv.org/abs/2312.06795), then the sign election of TIES (ties.cc).
//
//   τ_k = Δ_k masked as in breadcrumbs.cc
//   s   = sign of Σ_k w_k τ_k at each place, zero counting as positive
//   W   = base + λ Σ_{k: sign(w_k τ_k) = s} w_k τ_k
//
// Parameters: those of breadcrumbs, with the same defaults; `normalize: true` divides by the sum of
// the weights that took part at each place.
#include "demix/merge/outlier_pruning.h"

namespace demix {
namespace {

void merge(const TensorMerge& tensor, float* out) {
  const MagnitudePruning pruning = outlier_pruning(tensor);
  merge_updates(tensor, &pruning, true, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod breadcrumbs_ties;
const MergeMethod breadcrumbs_ties = {
    .name = "breadcrumbs_ties",
    .paper = "Davari and Belilovsky 2024, https://arxiv.org/abs/2312.06795",
    .base = BaseUse::kRequired,
    .parameters = kOutlierPruningParameters,
    .merge = merge,
    .effective_weights = update_weights};
}  // namespace merge_method
}  // namespace demix
