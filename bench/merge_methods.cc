// Time of every merge method in memory: bench_merge_methods [LAYERS] [MODELS] [THREADS] [METHOD …]
//
// Tensors have the shapes of a 135M-parameter Llama (30 layers, hidden size 576, vocabulary 49,152)
// and random updates; base and models are bfloat16 values, held in float32. Every method runs over
// all tensors; the better of two runs counts, by processor time. bench/merge_methods.py runs this
// beside mergekit.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "demix/core/rng.h"
#include "demix/merge/method.h"

namespace {

using namespace demix;

struct Tensor {
  std::vector<int64_t> shape;
  std::vector<std::vector<float>> values;  // the base first
};

float as_bfloat16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000);
}

Tensor make_tensor(std::vector<int64_t> shape, size_t models, Rng& rng) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  Tensor tensor{shape, {}};
  // A table of draws is enough, and much faster than drawing hundreds of millions.
  std::vector<float> draws(1 << 16);
  for (float& draw : draws) draw = static_cast<float>(rng.normal());
  const auto fill = [&](float scale, const float* around) {
    std::vector<float>& values = tensor.values.emplace_back(count);
    for (int64_t i = 0; i < count; i += 64) {
      const float* const from = draws.data() + rng.below(draws.size() - 64);
      for (int64_t j = i; j < std::min(count, i + 64); ++j) {
        values[j] = as_bfloat16((around == nullptr ? 0 : around[j]) + scale * from[j - i]);
      }
    }
  };
  tensor.values.reserve(models + 1);
  fill(0.02F, nullptr);
  for (size_t k = 0; k < models; ++k) fill(0.002F, tensor.values[0].data());
  return tensor;
}

double processor_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
double wall_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char** argv) {
  const int layers = argc > 1 ? std::atoi(argv[1]) : 30;
  const size_t models = argc > 2 ? std::atoi(argv[2]) : 7;
  const int threads = argc > 3 ? std::atoi(argv[3]) : 2;
  const std::vector<std::string> wanted(argv + std::min(argc, 4), argv + argc);

  Rng rng(1);
  std::vector<Tensor> tensors = {};
  tensors.push_back(make_tensor({49152, 576}, models, rng));
  for (int layer = 0; layer < layers; ++layer) {
    for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{576, 576},
                                                                               {192, 576},
                                                                               {192, 576},
                                                                               {576, 576},
                                                                               {1536, 576},
                                                                               {1536, 576},
                                                                               {576, 1536},
                                                                               {576},
                                                                               {576}}) {
      tensors.push_back(make_tensor(shape, models, rng));
    }
  }
  int64_t parameters_count = 0, largest = 0;
  for (const Tensor& tensor : tensors) {
    const int64_t count = static_cast<int64_t>(tensor.values[0].size());
    parameters_count += count;
    largest = std::max(largest, count);
  }
  std::vector<float> out(largest);
  fmt::print("{} parameters, {} models, {} threads\n", parameters_count, models, threads);
  fmt::print(
      "{:<18} {:>12} {:>9} {:>24}\n", "method", "processor s", "wall s", "ns per model's value");
  for (const MergeMethod* method : merge_methods()) {
    if (!wanted.empty() && std::ranges::find(wanted, method->name) == wanted.end()) continue;
    const size_t used = std::min(models, method->most_models);
    MergeParameters parameters(*method, used);
    if (parameters.has("weight")) parameters.set("weight", 1.0 / static_cast<double>(used));
    if (parameters.has("density")) parameters.set("density", 0.4);
    if (parameters.has("select_topk")) parameters.set("select_topk", 0.4);
    if (parameters.has("t")) parameters.set("t", 0.4);
    check_merge(*method, parameters, true);
    double best_processor = 1e9, best_wall = 1e9;
    for (int repeat = 0; repeat < 2; ++repeat) {
      const double processor_start = processor_s(), wall_start = wall_s();
      for (const Tensor& tensor : tensors) {
        std::vector<const float*> starts;
        for (size_t k = 1; k <= used; ++k) starts.push_back(tensor.values[k].data());
        method->merge({.shape = tensor.shape,
                       .count = static_cast<int64_t>(tensor.values[0].size()),
                       .base = tensor.values[0].data(),
                       .models = starts,
                       .parameters = parameters,
                       .rng = rng,
                       .threads = threads},
                      out.data());
      }
      best_processor = std::min(best_processor, processor_s() - processor_start);
      best_wall = std::min(best_wall, wall_s() - wall_start);
    }
    fmt::print(
        "{:<18} {:>12.3f} {:>9.3f} {:>24.2f}\n",
        method->name,
        best_processor,
        best_wall,
        best_processor * 1e9 / static_cast<double>(parameters_count) / static_cast<double>(used));
    std::fflush(stdout);
  }
  return 0;
}
