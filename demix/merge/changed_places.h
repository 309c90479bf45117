// The RAM methods: where several models changed a place, the mean of their updates; where one did,
// its update, with a factor of that model.
//
//   n_i = number of models with |Δ_k,i| > ε
//   W_i = base_i + Σ_{k: |Δ_k,i| > ε} Δ_k,i · (f_k if n_i = 1, else 1 / n_i)
#pragma once

#include <span>
#include <vector>

#include "demix/merge/method.h"

namespace demix {

// How many places a model changed alone, and how many together with others.
struct ChangedPlaces {
  int64_t alone = 0, shared = 0;
};

std::vector<ChangedPlaces> count_changed_places(const TensorMerge& tensor, double epsilon);

void merge_changed_places(const TensorMerge& tensor,
                          double epsilon,
                          std::span<const double> factors_alone,
                          float* out);

constexpr MergeParameter epsilon_parameter() {
  return {.name = "epsilon",
          .meaning = "size of an element's update above which a model has changed it",
          .default_value = 1e-5,
          .least = 0};
}

}  // namespace demix
