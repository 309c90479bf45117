// della: drop by magnitude rank, elect signs, fuse (Deep, Bhardwaj and Poria 2024, "DELLA-merging",
// https://arxiv.org/abs/2406.11617).
//
//   τ_k = c_k · m ⊙ (Θ_k − base),   m_i ~ Bernoulli(p_i), p_i from d − ε to d + ε by the rank of
//         the element's magnitude in its row (magprune.h)
//   s   = sign of Σ_k w_k τ_k at each place, zero counting as positive
//   W   = base + λ · Σ_{k: sign(w_k τ_k) = s} w_k τ_k / Σ_{k: …} w_k
//
// Parameters:
//   weight     of each model, required
//   density    1, of each model: the mean probability d of keeping an element
//   epsilon    0.15, of each model: ε, half the range (the paper's ε is the whole range)
//   normalize  true; false: without the division
//   lambda     1
//   rescale    true or l1: c restores the l1 norm of the tensor's update, as in mergekit;
//              expectation: each kept element is divided by its p, as in the paper; l2, linf: those
//              norms; false: c = 1
//   int8_mask  false; changes nothing
//
// Scratch memory: see magprune.h; with `rescale: expectation` also K + 3 rows for each thread.
#include "demix/merge/magprune.h"

namespace demix {
namespace {

constexpr MergeParameter kParameters[] = {
    update_parameters::weight(),
    update_parameters::density(),
    MagnitudeRankPruning::epsilon(),
    update_parameters::normalize(true),
    update_parameters::lambda(),
    update_parameters::rescale(true, true),
    update_parameters::int8_mask(),
};

void merge(const TensorMerge& tensor, float* out) {
  const MagnitudeRankPruning pruning(tensor, out);
  merge_updates(tensor, &pruning, true, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod della;
const MergeMethod della = {.name = "della",
                           .paper = "Deep et al. 2024, https://arxiv.org/abs/2406.11617",
                           .base = BaseUse::kRequired,
                           .parameters = kParameters,
                           .merge = merge,
                           .effective_weights = update_weights,
                           .check = MagnitudeRankPruning::check};
}  // namespace merge_method
}  // namespace demix
