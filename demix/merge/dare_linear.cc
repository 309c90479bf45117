// dare_linear: drop and rescale (Yu et al. 2024, "Language models are super Mario",
// https://arxiv.org/abs/2311.03099), then task arithmetic.
//
//   τ_k = c_k · m ⊙ (Θ_k − base),   m ~ Bernoulli(d_k) independently at each place
//   W   = base + λ Σ_k w_k τ_k
//
// Parameters:
//   weight     of each model, required
//   density    1, of each model: the probability d of keeping an element
//   normalize  false; true: the sum of updates is divided by Σ w
//   lambda     1
//   rescale    true or l1: c restores the l1 norm of the tensor's update, as in mergekit;
//              expectation: c = 1/d, as in the paper; l2, linf: those norms; false: c = 1
//   int8_mask  false; changes nothing
//
// The mask is a function of the tensor's random stream and each element's index: the same seed
// gives the same bits.
#include "demix/merge/random_pruning.h"

namespace demix {
namespace {

void merge(const TensorMerge& tensor, float* out) {
  const RandomPruning pruning(tensor);
  merge_updates(tensor, &pruning, false, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod dare_linear;
const MergeMethod dare_linear = {.name = "dare_linear",
                                 .paper = "Yu et al. 2024, https://arxiv.org/abs/2311.03099",
                                 .base = BaseUse::kRequired,
                                 .parameters = kRandomPruningParameters,
                                 .merge = merge,
                                 .effective_weights = update_weights};
}  // namespace merge_method
}  // namespace demix
