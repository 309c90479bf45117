#include "demix/merge/magnitude_pruning.h"

#include "demix/core/error.h"
#include "demix/merge/blocks.h"
#include "demix/merge/kernels.h"

namespace demix {

MagnitudePruning::MagnitudePruning(const TensorMerge& tensor, std::span<const RankRange> kept) {
  DEMIX_CHECK(kept.size() == tensor.models.size());
  std::vector<CutRequest> requests;
  for (size_t k = 0; k < kept.size(); ++k) {
    requests.push_back({k, kept[k].first});
    requests.push_back({k, kept[k].last});
  }
  cuts_ = find_cuts(requests,
                    tensor.count,
                    tensor.threads,
                    [&](size_t k, int64_t begin, int64_t size, uint32_t* bits) {
                      float update[kBlock];
                      subtract(tensor.models[k] + begin, tensor.base + begin, size, update);
                      magnitudes(update, size, bits);
                    });
}

void MagnitudePruning::prune(size_t k, int64_t begin, int64_t size, float* update) const {
  keep_between_cuts(cuts_[2 * k], cuts_[2 * k + 1], begin, size, update);
}

}  // namespace demix
