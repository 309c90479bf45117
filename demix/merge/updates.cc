#include "demix/merge/updates.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"
#include "demix/merge/blocks.h"
#include "demix/merge/kernels.h"

namespace demix {
namespace {

// mergekit's floors: norms below are not rescaled, sums of weights below do not divide.
constexpr double kSmallestNorm = 1e-7, kSmallestSum = 1e-8;

double norm_of(std::string_view norm, const float* values, int64_t size) {
  if (norm == "l2") return sum_of_squares(values, size);
  if (norm == "linf") return largest_magnitude(values, size);
  return sum_of_magnitudes(values, size);
}

void accumulate(std::string_view norm, double value, double& total) {
  total = norm == "linf" ? std::max(total, value) : total + value;
}

// For each model the factor that gives what is kept of its update the norm of all of it.
std::vector<float> norm_factors(const TensorMerge& tensor,
                                const Pruning* pruning,
                                std::string_view norm) {
  const size_t K = tensor.models.size();
  std::vector<float> factors(K, 1.F);
  if (pruning == nullptr || norm == "false" || norm == "expectation") return factors;
  const int64_t parts = part_count(tensor.count);
  std::vector<double> before(K * parts, 0), after(K * parts, 0);
  for_each_block(
      tensor.count, kBlock, tensor.threads, [&](int, int64_t part, int64_t begin, int64_t size) {
        float update[kBlock];
        for (size_t k = 0; k < K; ++k) {
          subtract(tensor.models[k] + begin, tensor.base + begin, size, update);
          accumulate(norm, norm_of(norm, update, size), before[k * parts + part]);
          pruning->prune(k, begin, size, update);
          accumulate(norm, norm_of(norm, update, size), after[k * parts + part]);
        }
      });
  for (size_t k = 0; k < K; ++k) {
    double whole = 0, kept = 0;
    for (int64_t part = 0; part < parts; ++part) {
      accumulate(norm, before[k * parts + part], whole);
      accumulate(norm, after[k * parts + part], kept);
    }
    if (norm == "l2") {
      whole = std::sqrt(whole);
      kept = std::sqrt(kept);
    }
    if (whole < kSmallestNorm || kept < kSmallestNorm) continue;
    factors[k] = static_cast<float>(whole / kept);
  }
  return factors;
}

}  // namespace

bool rescale_by_expectation(const MergeParameters& parameters) {
  return parameters.choice("rescale") == "expectation";
}

void merge_updates(const TensorMerge& tensor,
                   const Pruning* pruning,
                   bool elect_signs,
                   float* out) {
  if (tensor.count == 0) return;
  DEMIX_CHECK(tensor.base != nullptr);
  const size_t K = tensor.models.size();
  const MergeParameters& parameters = tensor.parameters;
  const std::span<const double> given_weights = parameters.of_models("weight");
  const std::vector<float> weights(given_weights.begin(), given_weights.end());
  const bool normalize = parameters.flag("normalize");
  const float lambda = static_cast<float>(parameters.number("lambda"));
  const std::vector<float> factors = norm_factors(
      tensor, pruning, parameters.has("rescale") ? parameters.choice("rescale") : "false");
  const float sum_of_weights = std::accumulate(weights.begin(), weights.end(), 0.F);
  const bool divide_once = normalize && !elect_signs && std::abs(sum_of_weights) >= kSmallestSum;

  // An election needs the updates of all models at once: blocks shrink so that they stay in cache.
  int64_t block = kBlock;
  while (elect_signs && block > 256 && block * static_cast<int64_t>(K) > 32 * kBlock) block /= 2;
  if (pruning != nullptr) {
    const int64_t whole = pruning->whole();
    block = (block + whole - 1) / whole * whole;
  }
  const int64_t scratch = block * static_cast<int64_t>((elect_signs ? K : 1) + 3);
  std::vector<float> all_scratch(scratch * std::max(1, tensor.threads));
  const int64_t blocks = (tensor.count + block - 1) / block;
  for_each_item(blocks, tensor.threads, [&](int thread, int64_t item) {
    const int64_t begin = item * block, size = std::min(block, tensor.count - begin);
    float* const sum = all_scratch.data() + thread * scratch;
    float* const vote = sum + block;
    float* const share = vote + block;
    float* const updates = share + block;
    std::fill_n(sum, size, 0.F);
    std::fill_n(vote, size, 0.F);
    for (size_t k = 0; k < K; ++k) {
      float* const update = elect_signs ? updates + static_cast<int64_t>(k) * block : updates;
      subtract(tensor.models[k] + begin, tensor.base + begin, size, update);
      if (pruning != nullptr) pruning->prune(k, begin, size, update);
      if (factors[k] != 1) multiply(factors[k], size, update);
      if (elect_signs) multiply(weights[k], size, update);
      add_scaled(update, elect_signs ? 1.F : weights[k], size, elect_signs ? vote : sum);
    }
    if (elect_signs) {
      std::fill_n(share, size, 0.F);
      for (size_t k = 0; k < K; ++k) {
        const float* const update = updates + static_cast<int64_t>(k) * block;
        add_where_agreed(update, vote, 1.F, weights[k], size, sum, share);
      }
      if (normalize) divide_by_share(share, size, sum);
    }
    if (divide_once) multiply(1 / sum_of_weights, size, sum);
    add_update(tensor.base + begin, sum, lambda, size, out + begin);
  });
}

std::vector<double> update_weights(const MergeParameters& parameters) {
  const std::span<const double> given = parameters.of_models("weight");
  std::vector<double> weights(given.begin(), given.end());
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const bool divide = parameters.flag("normalize") && std::abs(sum) >= kSmallestSum;
  for (double& weight : weights) weight *= parameters.number("lambda") / (divide ? sum : 1);
  return weights;
}

}  // namespace demix
