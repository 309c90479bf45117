// Keeps each element of an update with the same probability: the drop of DARE.
#pragma once

#include <vector>

#include "demix/merge/updates.h"

namespace demix {

inline constexpr MergeParameter kRandomPruningParameters[] = {
    update_parameters::weight(),
    update_parameters::density(),
    update_parameters::normalize(false),
    update_parameters::lambda(),
    update_parameters::rescale(true, true),
    update_parameters::int8_mask(),
};

class RandomPruning : public Pruning {
 public:
  // Probabilities are the tensor's `density`; with `rescale: expectation` what is kept is divided
  // by them.
  explicit RandomPruning(const TensorMerge& tensor);
  void prune(size_t k, int64_t begin, int64_t size, float* update) const override;

 private:
  std::vector<uint64_t> keys_;  // of each model's random stream
  std::vector<double> densities_;
  bool divide_;
};

}  // namespace demix
