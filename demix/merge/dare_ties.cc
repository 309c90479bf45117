// dare_ties: drop and rescale (Yu et al. 2024, "Language models are super Mario",
// https://arxiv.org/abs/2311.03099), then the sign election of TIES (ties.cc).
//
//   τ_k = c_k · m ⊙ (Θ_k − base),   m ~ Bernoulli(d_k) independently at each place
//   s   = sign of Σ_k w_k τ_k at each place, zero counting as positive
//   W   = base + λ Σ_{k: sign(w_k τ_k) = s} w_k τ_k
//
// Parameters: those of dare_linear, with the same defaults; `normalize: true` divides by the sum of
// the weights that took part at each place.
#include "demix/merge/random_pruning.h"

namespace demix {
namespace {

void merge(const TensorMerge& tensor, float* out) {
  const RandomPruning pruning(tensor);
  merge_updates(tensor, &pruning, true, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod dare_ties;
const MergeMethod dare_ties = {.name = "dare_ties",
                               .paper = "Yu et al. 2024, https://arxiv.org/abs/2311.03099",
                               .base = BaseUse::kRequired,
                               .parameters = kRandomPruningParameters,
                               .merge = merge,
                               .effective_weights = update_weights};
}  // namespace merge_method
}  // namespace demix
