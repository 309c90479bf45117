// The mask of Model Breadcrumbs: neither the largest magnitudes nor the smallest.
#pragma once

#include "demix/merge/magnitude_pruning.h"

namespace demix {

inline constexpr MergeParameter kOutlierPruningParameters[] = {
    update_parameters::weight(),
    update_parameters::density(),
    {.name = "gamma",
     .meaning = "share of a model's update that is dropped as too large",
     .scope = MergeParameter::Scope::kModel,
     .default_value = 0.01,
     .least = 0,
     .most = 1},
    update_parameters::normalize(false),
    update_parameters::lambda(),
    update_parameters::rescale(false, false),
    update_parameters::int8_mask(),
};

// Of n elements keeps ⌊d·n⌋: those behind the ⌊γ·n⌋ largest, or the smallest ones when fewer than
// ⌊d·n⌋ are behind. A density of 1 keeps all, whatever γ.
MagnitudePruning outlier_pruning(const TensorMerge& tensor);

}  // namespace demix
