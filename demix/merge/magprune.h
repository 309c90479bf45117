// MAGPRUNE, the drop of DELLA (Deep, Bhardwaj and Poria 2024): in each row of an update an element
// is kept with a probability that rises with its magnitude's rank in the row.
//
//   p_i = density − ε + 2ε (r_i − 1) / (n − 1),   r_i ∈ [1, n] from the smallest magnitude
//
// A row is a slice along the first dimension; a tensor of one dimension is one row. Equal
// magnitudes share their mean rank (mergekit gives them different ranks in an arbitrary order); a
// row of one element is kept with probability `density` (mergekit stops with an error). Tensors of
// three and more dimensions: mergekit ranks along the second dimension, here all but the first
// count as one.
#pragma once

#include <vector>

#include "demix/merge/updates.h"

namespace demix {

class MagnitudeRankPruning : public Pruning {
 public:
  // Uses `out` as memory until the merge is written there, block by block; more than 32 models take
  // four bytes an element beside it for each further 32. With `rescale: expectation` each kept
  // element is divided by its own p.
  MagnitudeRankPruning(const TensorMerge& tensor, float* out);
  void prune(size_t k, int64_t begin, int64_t size, float* update) const override;
  int64_t whole() const override;

  // Throws Error unless density ± ε of each model lies in (0, 1), or its density is 0 or 1.
  static void check(const MergeParameters& parameters, bool has_base);
  static constexpr MergeParameter epsilon() {
    return {.name = "epsilon",
            .meaning = "half the range of probabilities around a model's density",
            .scope = MergeParameter::Scope::kModel,
            .default_value = 0.15,
            .least = 0,
            .most = 0.5};
  }

 private:
  struct Row;
  template <typename Visit>
  void visit_row(
      size_t k, int64_t begin, const float* update, Row& scratch, const Visit& visit) const;

  int64_t row_;  // elements
  std::vector<uint64_t> keys_;
  std::vector<double> densities_, epsilons_;
  bool divide_;
  // Which models keep an element, a bit each: models 0 to 31 in the first array.
  std::vector<const float*> marks_;
  std::vector<std::vector<float>> more_marks_;
};

}  // namespace demix
