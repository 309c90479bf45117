// ramplus_tl: Reinforced Agent Merging with amplified unique updates
// (https://arxiv.org/abs/2601.13572), tensor by tensor as in mergekit: the less a model changed
// alone in a tensor, relative to what it changed together with others, the more those places count.
//
//   f_k = 1 + r · min(α, shared_k / alone_k)
//   W_i = base_i + Σ_{k: |Δ_k,i| > ε} Δ_k,i · (f_k if n_i = 1, else 1 / n_i)
//
// alone_k, shared_k: numbers of places that model k changed alone, and with others; n_i as in
// ram.cc. Takes no weights. Parameters:
//   r         0.1
//   alpha     0.2
//   epsilon   1e-5: ε
#include <algorithm>

#include "demix/merge/changed_places.h"

namespace demix {
namespace {

constexpr MergeParameter kParameters[] = {
    {.name = "r", .meaning = "strength of the amplification", .default_value = 0.1},
    {.name = "alpha",
     .meaning = "largest ratio of shared to unique places that counts",
     .default_value = 0.2,
     .least = 0},
    epsilon_parameter(),
};

void merge(const TensorMerge& tensor, float* out) {
  const double epsilon = tensor.parameters.number("epsilon");
  std::vector<double> factors;
  for (const ChangedPlaces& places : count_changed_places(tensor, epsilon)) {
    // Without unique places there is nothing to amplify, whatever the factor.
    const double ratio =
        static_cast<double>(places.shared) / std::max<double>(1, static_cast<double>(places.alone));
    factors.push_back(1 + tensor.parameters.number("r") *
                              std::min(ratio, tensor.parameters.number("alpha")));
  }
  merge_changed_places(tensor, epsilon, factors, out);
}

}  // namespace

namespace merge_method {
extern const MergeMethod ramplus_tl;
const MergeMethod ramplus_tl = {.name = "ramplus_tl",
                                .paper = "https://arxiv.org/abs/2601.13572",
                                .base = BaseUse::kRequired,
                                .parameters = kParameters,
                                .merge = merge};
}  // namespace merge_method
}  // namespace demix
