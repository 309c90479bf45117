#include "demix/merge/changed_places.h"

#include <algorithm>
#include <cmath>

#include "demix/merge/blocks.h"
#include "demix/merge/kernels.h"

namespace demix {
namespace {

// NaN counts as changed.
bool changed(float update, float epsilon) { return !(std::abs(update) <= epsilon); }

void count_models(
    const TensorMerge& tensor, float epsilon, int64_t begin, int64_t size, int32_t* models) {
  float update[kBlock];
  std::fill_n(models, size, 0);
  for (const float* model : tensor.models) {
    subtract(model + begin, tensor.base + begin, size, update);
    for (int64_t i = 0; i < size; ++i) models[i] += changed(update[i], epsilon);
  }
}

}  // namespace

std::vector<ChangedPlaces> count_changed_places(const TensorMerge& tensor, double epsilon) {
  const size_t K = tensor.models.size();
  const float limit = static_cast<float>(epsilon);
  std::vector<ChangedPlaces> of_threads(K * static_cast<size_t>(std::max(1, tensor.threads)));
  for_each_block(
      tensor.count, kBlock, tensor.threads, [&](int thread, int64_t, int64_t begin, int64_t size) {
        int32_t models[kBlock];
        float update[kBlock];
        count_models(tensor, limit, begin, size, models);
        for (size_t k = 0; k < K; ++k) {
          subtract(tensor.models[k] + begin, tensor.base + begin, size, update);
          int32_t alone = 0, shared = 0;
          for (int64_t i = 0; i < size; ++i) {
            alone += changed(update[i], limit) && models[i] == 1;
            shared += changed(update[i], limit) && models[i] > 1;
          }
          ChangedPlaces& mine = of_threads[static_cast<size_t>(thread) * K + k];
          mine.alone += alone;
          mine.shared += shared;
        }
      });
  std::vector<ChangedPlaces> places(K);
  for (size_t i = 0; i < of_threads.size(); ++i) {
    places[i % K].alone += of_threads[i].alone;
    places[i % K].shared += of_threads[i].shared;
  }
  return places;
}

void merge_changed_places(const TensorMerge& tensor,
                          double epsilon,
                          std::span<const double> factors_alone,
                          float* out) {
  const float limit = static_cast<float>(epsilon);
  for_each_block(
      tensor.count, kBlock, tensor.threads, [&](int, int64_t, int64_t begin, int64_t size) {
        int32_t models[kBlock];
        float update[kBlock], sum[kBlock] = {};
        count_models(tensor, limit, begin, size, models);
        for (size_t k = 0; k < tensor.models.size(); ++k) {
          const float alone = static_cast<float>(factors_alone[k]);
          subtract(tensor.models[k] + begin, tensor.base + begin, size, update);
          for (int64_t i = 0; i < size; ++i) {
            const float share = models[i] == 1 ? alone : 1 / static_cast<float>(models[i]);
            sum[i] += changed(update[i], limit) ? update[i] * share : 0.F;
          }
        }
        add_update(tensor.base + begin, sum, 1.F, size, out + begin);
      });
}

}  // namespace demix
