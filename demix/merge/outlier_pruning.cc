#include "demix/merge/outlier_pruning.h"

#include <algorithm>

namespace demix {

MagnitudePruning outlier_pruning(const TensorMerge& tensor) {
  const std::span<const double> densities = tensor.parameters.of_models("density");
  const std::span<const double> gammas = tensor.parameters.of_models("gamma");
  const auto share = [&tensor](double part) {
    return static_cast<int64_t>(part * static_cast<double>(tensor.count));
  };
  std::vector<RankRange> kept;
  for (size_t k = 0; k < densities.size(); ++k) {
    const int64_t size = share(densities[k]);
    const int64_t largest = std::min(share(gammas[k]), tensor.count - size);
    kept.push_back({largest, largest + size});
  }
  return MagnitudePruning(tensor, kept);
}

}  // namespace demix
