// Keeps of each update the elements whose magnitudes have certain ranks within the tensor.
#pragma once

#include <span>
#include <vector>

#include "demix/merge/selection.h"
#include "demix/merge/updates.h"

namespace demix {

// Ranks [first, last), counted from the largest magnitude; 0 ≤ first ≤ last ≤ count.
struct RankRange {
  int64_t first = 0, last = 0;
};

class MagnitudePruning : public Pruning {
 public:
  // One range per model. Reads the tensor two or three times.
  MagnitudePruning(const TensorMerge& tensor, std::span<const RankRange> kept);
  void prune(size_t k, int64_t begin, int64_t size, float* update) const override;

 private:
  std::vector<Cut> cuts_;  // before and behind what is kept of each model
};

}  // namespace demix
