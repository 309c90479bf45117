// della_linear: drop by magnitude rank (Deep, Bhardwaj and Poria 2024, "DELLA-merging",
// https://arxiv.org/abs/2406.11617), then task arithmetic instead of an election.
//
//   τ_k = c_k · m ⊙ (Θ_k − base),   m_i ~ Bernoulli(p_i) as in della.cc
//   W   = base + λ Σ_k w_k τ_k
//
// Parameters: those of della, with the same defaults but `normalize: false`; true divides the sum
// of updates by Σ w.
#include "demix/merge/magprune.h"

namespace demix {
namespace {

constexpr MergeParameter kParameters[] = {
    update_parameters::weight(),
    update_parameters::density(),
    MagnitudeRankPruning::epsilon(),
    update_parameters::normalize(false),
    update_parameters::lambda(),
    update_parameters::rescale(true, true),
    update_parameters::int8_mask(),
};

void merge(const TensorMerge& tensor, float* out) {
  const MagnitudeRankPruning pruning(tensor, out);
  merge_updates(tensor, &pruning, false, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod della_linear;
const MergeMethod della_linear = {.name = "della_linear",
                                  .paper = "Deep et al. 2024, https://arxiv.org/abs/2406.11617",
                                  .base = BaseUse::kRequired,
                                  .parameters = kParameters,
                                  .merge = merge,
                                  .effective_weights = update_weights,
                                  .check = MagnitudeRankPruning::check};
}  // namespace merge_method
}  // namespace demix
