#include "demix/merge/random_pruning.h"

#include <algorithm>

#include "demix/core/counter_random.h"
#include "demix/merge/blocks.h"
#include "demix/merge/kernels.h"

namespace demix {

RandomPruning::RandomPruning(const TensorMerge& tensor)
    : divide_(rescale_by_expectation(tensor.parameters)) {
  const std::span<const double> densities = tensor.parameters.of_models("density");
  densities_.assign(densities.begin(), densities.end());
  for (size_t k = 0; k < densities_.size(); ++k) {
    keys_.push_back(tensor.rng.stream("drop", static_cast<int64_t>(k)).next());
  }
}

void RandomPruning::prune(size_t k, int64_t begin, int64_t size, float* update) const {
  const double density = densities_[k];
  if (density >= 1) return;
  const uint32_t limit = static_cast<uint32_t>(density * 0x1p32);
  uint32_t words[kBlock];
  for (int64_t done = 0; done < size; done += kBlock) {
    const int64_t piece = std::min(kBlock, size - done);
    random_words(keys_[k], begin + done, piece, words);
    keep_below(words, limit, piece, update + done);
  }
  if (divide_ && density > 0) multiply(static_cast<float>(1 / density), size, update);
}

}  // namespace demix
