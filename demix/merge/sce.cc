// sce: select, calculate, erase (Wan et al. 2024, "FuseChat", https://arxiv.org/abs/2408.07990).
//
//   Δ_k = Θ_k − base
//   select:    only the places where the variance of Δ over the models is among the d·n largest of
//              the n that are not zero
//   calculate: a_k = Σ Δ_k² / Σ_j Σ Δ_j² over the tensor
//   erase:     at each place only the models whose Δ_k has the sign of Σ_j Δ_j, zero counting as
//              positive
//   W = base + Σ_k a_k Δ_k / Σ_k a_k   over what is left
//
// Takes no weights: the updates themselves decide.
//
// Parameters:
//   select_topk   1: the share d; 1 or more selects every place
//   equal_below   1e-6: if the mean squares of all updates sum to less, a_k = 1/K. mergekit's rule,
//                 which small updates meet without being zero (seven of standard deviation 3e-4);
//                 0 keeps to the paper
//   int8_mask     false; changes nothing
//
// As in mergekit, sums of a_k below 1e-6 count as 1e-6. Of equal variances at the cut the first
// places are selected (selection.h).
#include <algorithm>
#include <cmath>

#include "demix/merge/blocks.h"
#include "demix/merge/kernels.h"
#include "demix/merge/selection.h"
#include "demix/merge/updates.h"

namespace demix {
namespace {

constexpr float kSmallestShare = 1e-6F;

constexpr MergeParameter kParameters[] = {
    {.name = "select_topk",
     .meaning = "share of places that are merged, those of largest variance over the models",
     .default_value = 1},
    {.name = "equal_below",
     .meaning = "sum of the updates' mean squares below which all models count the same",
     .default_value = 1e-6,
     .least = 0},
    update_parameters::int8_mask(),
};

// The places that are merged: those before `cut` in the order of `variances`; null for all.
struct Selected {
  const float* variances = nullptr;
  Cut cut;

  // Zeroes the other places of [begin, begin + size) in all K updates, which lie kBlock apart.
  void apply(size_t K, int64_t begin, int64_t size, float* updates) const {
    if (variances == nullptr) return;
    float kept[kBlock];
    std::copy_n(variances + begin, size, kept);
    keep_between_cuts({kMagnitudeEnd, 0}, cut, begin, size, kept);
    for (size_t k = 0; k < K; ++k)
      keep_where(kept, size, updates + static_cast<int64_t>(k) * kBlock);
  }
};

// Writes the variances over the models into `variances` and finds the cut.
Selected select(const TensorMerge& tensor, double share, float* variances) {
  std::vector<int64_t> nonzero(part_count(tensor.count), 0);
  for_each_block(
      tensor.count, kBlock, tensor.threads, [&](int, int64_t part, int64_t begin, int64_t size) {
        float* const to = variances + begin;
        variance_of_updates(tensor.models, tensor.base, begin, size, to);
        nonzero[part] += size - std::count(to, to + size, 0.F);
      });
  int64_t candidates = 0;
  for (int64_t part : nonzero) candidates += part;
  const CutRequest request = {.position =
                                  static_cast<int64_t>(static_cast<double>(candidates) * share)};
  const auto read = [variances](size_t, int64_t begin, int64_t size, uint32_t* bits) {
    magnitudes(variances + begin, size, bits);
  };
  return {variances, find_cuts({&request, 1}, tensor.count, tensor.threads, read)[0]};
}

// a_k from the sums of squares of the selected updates.
std::vector<float> shares_of(std::vector<double> squares, int64_t count, double equal_below) {
  double sum = 0;
  for (double& square : squares) sum += square /= static_cast<double>(count);
  const bool equal = sum < equal_below || sum == 0;
  std::vector<float> shares;
  for (double square : squares) {
    shares.push_back(
        static_cast<float>(equal ? 1.0 / static_cast<double>(squares.size()) : square / sum));
  }
  return shares;
}

void merge(const TensorMerge& tensor, float* out) {
  const size_t K = tensor.models.size();
  const double topk = tensor.parameters.number("select_topk");
  if (topk <= 0) {
    std::copy_n(tensor.base, tensor.count, out);
    return;
  }
  // `out` holds the variances until the merge is written there, block by block.
  const Selected selected = topk < 1 ? select(tensor, topk, out) : Selected{};

  const int64_t scratch = static_cast<int64_t>(K) * kBlock;
  std::vector<float> all_scratch(scratch * std::max(1, tensor.threads));
  const auto read_updates = [&](int thread, int64_t begin, int64_t size) {
    float* const updates = all_scratch.data() + thread * scratch;
    for (size_t k = 0; k < K; ++k) {
      subtract(tensor.models[k] + begin,
               tensor.base + begin,
               size,
               updates + static_cast<int64_t>(k) * kBlock);
    }
    selected.apply(K, begin, size, updates);
    return updates;
  };

  const int64_t parts = part_count(tensor.count);
  std::vector<double> squares_of_parts(K * parts, 0);
  for_each_block(tensor.count,
                 kBlock,
                 tensor.threads,
                 [&](int thread, int64_t part, int64_t begin, int64_t size) {
                   const float* const updates = read_updates(thread, begin, size);
                   for (size_t k = 0; k < K; ++k) {
                     squares_of_parts[k * parts + part] +=
                         sum_of_squares(updates + static_cast<int64_t>(k) * kBlock, size);
                   }
                 });
  std::vector<double> squares(K, 0);
  for (size_t k = 0; k < K; ++k) {
    for (int64_t part = 0; part < parts; ++part) squares[k] += squares_of_parts[k * parts + part];
  }
  const std::vector<float> shares =
      shares_of(squares, tensor.count, tensor.parameters.number("equal_below"));

  for_each_block(
      tensor.count, kBlock, tensor.threads, [&](int thread, int64_t, int64_t begin, int64_t size) {
        const float* const updates = read_updates(thread, begin, size);
        float vote[kBlock] = {}, sum[kBlock] = {}, share[kBlock] = {};
        for (size_t k = 0; k < K; ++k) {
          add_scaled(updates + static_cast<int64_t>(k) * kBlock, 1.F, size, vote);
        }
        for (size_t k = 0; k < K; ++k) {
          const float* const update = updates + static_cast<int64_t>(k) * kBlock;
          add_where_agreed(update, vote, shares[k], shares[k], size, sum, share);
        }
        divide_by_share_at_least(share, kSmallestShare, size, sum);
        add_update(tensor.base + begin, sum, 1.F, size, out + begin);
      });
}

}  // namespace

namespace merge_method {
extern const MergeMethod sce;
const MergeMethod sce = {.name = "sce",
                         .paper = "Wan et al. 2024, https://arxiv.org/abs/2408.07990",
                         .base = BaseUse::kRequired,
                         .parameters = kParameters,
                         .merge = merge};
}  // namespace merge_method
}  // namespace demix
