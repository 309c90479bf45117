// ram: Reinforced Agent Merging (https://arxiv.org/abs/2601.13572). Places that several models
// changed get the mean of those updates, places that one changed that update.
//
//   W_i = base_i + Σ_{k: |Δ_k,i| > ε} Δ_k,i / n_i,   n_i the number of such models
//
// Takes no weights. Parameters:
//   epsilon   1e-5: ε
#include "demix/merge/changed_places.h"

namespace demix {
namespace {

constexpr MergeParameter kParameters[] = {epsilon_parameter()};

void merge(const TensorMerge& tensor, float* out) {
  const std::vector<double> factors(tensor.models.size(), 1.0);
  merge_changed_places(tensor, tensor.parameters.number("epsilon"), factors, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod ram;
const MergeMethod ram = {.name = "ram",
                         .paper = "https://arxiv.org/abs/2601.13572",
                         .base = BaseUse::kRequired,
                         .parameters = kParameters,
                         .merge = merge,
                         .elementwise = true};
}  // namespace merge_method
}  // namespace demix
