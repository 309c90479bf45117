// ties: trim, elect signs, merge (Yadav et al. 2023, "TIES-merging",
// https://arxiv.org/abs/2306.01708).
//
//   τ_k = the d·n largest elements of Δ_k = Θ_k − base by magnitude, the others zero
//   s   = sign of Σ_k w_k τ_k at each place, zero counting as positive
//   W   = base + λ · Σ_{k: sign(w_k τ_k) = s} w_k τ_k / Σ_{k: …} w_k
//
// Parameters:
//   weight     of each model, required
//   density    1, of each model: the share d that is kept; at least one element is, for d > 0
//   normalize  true; false: without the division
//   lambda     1
//   rescale    false; true or l1, l2, linf: each trimmed update gets back the norm it had
//   int8_mask  false; changes nothing
//
// As in mergekit the sign is that of the weighted sum (the paper has no weights), and where the
// weights that took part sum to zero the division is left out. Of equal magnitudes at the cut the
// first are kept (selection.h). Negative weights turn a model's votes around.
#include <algorithm>

#include "demix/merge/magnitude_pruning.h"

namespace demix {
namespace {

constexpr MergeParameter kParameters[] = {
    update_parameters::weight(),
    update_parameters::density(),
    update_parameters::normalize(true),
    update_parameters::lambda(),
    update_parameters::rescale(false, false),
    update_parameters::int8_mask(),
};

void merge(const TensorMerge& tensor, float* out) {
  if (tensor.count == 0) return;
  std::vector<RankRange> kept;
  for (double density : tensor.parameters.of_models("density")) {
    const int64_t share = static_cast<int64_t>(density * static_cast<double>(tensor.count));
    kept.push_back({0, density <= 0 ? 0 : std::max<int64_t>(1, share)});
  }
  const MagnitudePruning pruning(tensor, kept);
  merge_updates(tensor, &pruning, true, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod ties;
const MergeMethod ties = {.name = "ties",
                          .paper = "Yadav et al. 2023, https://arxiv.org/abs/2306.01708",
                          .base = BaseUse::kRequired,
                          .parameters = kParameters,
                          .merge = merge,
                          .effective_weights = update_weights};
}  // namespace merge_method
}  // namespace demix
