// Merges in memory against the machine's own copying, and what loading takes.
//
//   cmake --build --preset release --target bench_merge
//   build/release/bench_merge make FOLDER [LAYERS]     base and seven components in FOLDER: 135M
//                                                      parameters with 30 layers, bfloat16 files
//   build/release/bench_merge run FOLDER [ROUNDS] [THREADS]
//   build/release/bench_merge once FOLDER [THREADS]    loading, then one merge, for bench_merge.py
//
// A round measures everything once, so that what disturbs the machine disturbs all of it; the best
// round counts. Bandwidth is bytes read and written over the processor time of one thread, which
// other programs on the machine disturb less than the clock on the wall; the wall's best is beside
// it.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "demix/core/memory.h"
#include "demix/core/near_memory.h"
#include "demix/core/simd.h"
#include "demix/merge/components.h"
#include "demix/merge/linear.h"

namespace demix {
namespace {

constexpr size_t kComponents = 7;

Architecture smollm_135m(int64_t layers) {
  Architecture a;
  a.vocabulary = 49152;
  a.hidden = 576;
  a.layers = layers;
  a.heads = 9;
  a.kv_heads = 3;
  a.head_dim = 64;
  a.intermediate = 1536;
  a.max_positions = 8192;
  a.rope_theta = 100000;
  return a;
}

std::filesystem::path folder_of(const std::filesystem::path& parent, size_t component) {
  return parent / fmt::format("component_{}", component);
}

void make(const std::filesystem::path& parent, int64_t layers) {
  const Architecture a = smollm_135m(layers);
  const Weights base = initial_weights(a, Rng(1));
  save_model(parent / "base", a, base, at::kBFloat16, {});
  for (size_t k = 0; k < kComponents; ++k) {
    const Weights update = initial_weights(a, Rng(2 + k));
    save_model(
        folder_of(parent, k), a, weights_over(a, base.flat + 0.1 * update.flat), at::kBFloat16, {});
  }
}

struct Time {
  double processor = 1e30, wall = 1e30;  // seconds; the processor's per thread
};

struct Measured {
  std::string name;
  double bytes;
  std::function<void()> work;
  Time best = {};
};

double processor_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Time time_of(const std::function<void()>& work) {
  const double processor = processor_seconds();
  const auto wall = std::chrono::steady_clock::now();
  work();
  return {(processor_seconds() - processor) / at::get_num_threads(),
          std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count()};
}

DEMIX_CPU_CLONES float sum_of_all(const float* values, int64_t count) {
  Floats sums[8] = {}, x;
  for (int64_t i = 0; i + 8 * kLanes <= count; i += 8 * kLanes) {
    for (int64_t j = 0; j < 8; ++j) {
      load(values + i + j * kLanes, x);
      sums[j] += x;
    }
  }
  for (int j = 1; j < 8; ++j) sums[0] += sums[j];
  return sum_of(sums[0]);
}

// Passes over `count` numbers by stretches like those of a merge.
void in_stretches(int64_t count, const std::function<void(int64_t, int64_t)>& work) {
  constexpr int64_t kStretch = 1 << 16;
  for_each_near_memory((count + kStretch - 1) / kStretch, at::get_num_threads(), [&](int64_t item) {
    work(item * kStretch, std::min(kStretch, count - item * kStretch));
  });
}

Components load(const std::filesystem::path& parent,
                const Architecture& a,
                size_t components,
                const std::string& dtype,
                at::ScalarType proxy) {
  std::vector<ComponentFolder> folders;
  for (size_t k = 0; k < components; ++k)
    folders.push_back({fmt::format("c{}", k), folder_of(parent, k % kComponents)});
  return Components(a,
                    parent / "base",
                    std::move(folders),
                    ProxyMethod({}, components, 1),
                    {at::kCPU, proxy, parent},
                    {"memory", dtype});
}

void run(const std::filesystem::path& parent, int rounds) {
  const Architecture a = load_architecture(parent / "base");
  const int64_t P = flat_size(a);
  std::vector<Components> loaded;
  std::vector<Measured> all;
  const auto add = [&](std::string name, double bytes_per_number, std::function<void()> work) {
    all.push_back({std::move(name), bytes_per_number * static_cast<double>(P), std::move(work)});
  };

  LargeBuffer source = LargeBuffer::in_memory(4 * P), target = LargeBuffer::in_memory(4 * P);
  auto* const from = reinterpret_cast<float*>(source.data());
  auto* const to = reinterpret_cast<float*>(target.data());
  std::fill_n(from, P, 1.0F);
  const std::vector<float> plain_from(static_cast<size_t>(P), 1.0F);
  std::vector<float> plain_to(static_cast<size_t>(P));
  add("memcpy", 8, [&] {
    in_stretches(P,
                 [&](int64_t begin, int64_t n) { std::memcpy(to + begin, from + begin, 4 * n); });
  });
  add("copy past the caches", 8, [&] {
    in_stretches(P, [&](int64_t begin, int64_t n) {
      const float* x = from + begin;
      float* y = to + begin;
      const float one = 1;
      merge_linear({&x, 1}, {&one, 1}, n, std::span<float* const>(&y, 1), Stores::kStreaming);
    });
  });
  add("memcpy, std::vector", 8, [&] {
    in_stretches(P, [&](int64_t begin, int64_t n) {
      std::memcpy(plain_to.data() + begin, plain_from.data() + begin, 4 * n);
    });
  });
  add("reading alone", 4, [&] {
    in_stretches(P, [&](int64_t begin, int64_t n) {
      if (sum_of_all(from + begin, n) < 0) std::abort();  // so that it is computed
    });
  });
  const size_t copies = all.size();

  // Components without weight are not read: sixteen serve for fewer.
  const Components halves = load(parent, a, 16, "bfloat16", at::kBFloat16);
  const Components floats = load(parent, a, 7, "float32", at::kBFloat16);
  std::vector<Weights> half_proxies;
  for (int m = 0; m < 8; ++m) half_proxies.push_back(halves.allocate());
  std::vector<Weights> float_proxies = {
      weights_over(a, at::from_blob(target.data(), {P}, at::TensorOptions().dtype(at::kFloat)))};
  Rng rng(5);
  const auto add_merge = [&](const Components& c,
                             size_t components,
                             std::vector<Weights>& proxies,
                             size_t merges) {
    std::vector<std::vector<double>> mixtures;
    for (size_t m = 0; m < merges; ++m) {
      mixtures.push_back(rng.dirichlet(std::vector<double>(components, 1.0)));
      mixtures.back().resize(c.size());
    }
    const double in = c.storage().bfloat16 ? 2 : 4;
    const auto out = static_cast<double>(proxies[0].flat.element_size());
    add(fmt::format("{} {} -> {} {}",
                    components,
                    in == 2 ? "bf16" : "f32",
                    merges,
                    out == 2 ? "bf16" : "f32"),
        static_cast<double>(components) * in + static_cast<double>(merges) * out,
        [&c, &proxies, mixtures, merges] { c.merge(mixtures, std::span(proxies).first(merges)); });
  };
  for (const size_t merges : {1, 2, 4, 8}) add_merge(halves, 7, half_proxies, merges);
  for (const size_t merges : {1, 2, 4, 8}) add_merge(floats, 7, half_proxies, merges);
  add_merge(floats, 7, float_proxies, 1);
  for (const size_t components : {1, 2, 4, 8, 16}) add_merge(halves, components, half_proxies, 1);
  // What two mixtures that differ in two weights would cost, if the second began from the first's
  // float32 sums: those and two components are read, new sums are written, and the proxy.
  add("7 f32 -> 1 bf16, 2 differ", 4 + 2 * 4 + 4 + 2, [&] {
    in_stretches(P, [&](int64_t begin, int64_t n) {
      const float* models[] = {to + begin, from + begin, plain_from.data() + begin};
      const float weights[] = {1, 0.1F, -0.1F};
      float* sums = plain_to.data() + begin;
      auto* proxy = static_cast<BFloat16*>(half_proxies[0].flat.mutable_data_ptr()) + begin;
      merge_linear(models, weights, n, std::span<BFloat16* const>(&proxy, 1), Stores::kStreaming);
      merge_linear(models, weights, n, std::span<float* const>(&sums, 1), Stores::kStreaming);
    });
  });

  for (int round = 0; round < rounds; ++round) {
    for (Measured& one : all) {
      const Time time = time_of(one.work);
      one.best.processor = std::min(one.best.processor, time.processor);
      one.best.wall = std::min(one.best.wall, time.wall);
    }
  }
  double copy = 0;
  for (size_t i = 0; i < 2; ++i) copy = std::max(copy, all[i].bytes / all[i].best.processor);
  fmt::print("{} parameters, {} threads, best of {} rounds\n{:<24}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
             parameter_count(a),
             at::get_num_threads(),
             rounds,
             "",
             "MB",
             "wall ms",
             "cpu ms",
             "GB/s",
             "of copy");
  for (size_t i = 0; i < all.size(); ++i) {
    const Measured& one = all[i];
    if (i == copies) fmt::print("components -> proxies\n");
    const double bandwidth = one.bytes / one.best.processor;
    fmt::print("{:<24}{:>10.0f}{:>10.2f}{:>10.2f}{:>10.1f}{:>9.0f}%\n",
               one.name,
               one.bytes * 1e-6,
               one.best.wall * 1e3,
               one.best.processor * 1e3,
               bandwidth * 1e-9,
               100 * bandwidth / copy);
  }
}

void once(const std::filesystem::path& parent) {
  const Architecture a = load_architecture(parent / "base");
  std::vector<Components> loaded;
  const Time loading =
      time_of([&] { loaded.push_back(load(parent, a, kComponents, "auto", at::kBFloat16)); });
  Weights proxy = loaded[0].allocate();
  const std::vector<double> equal(kComponents, 1.0 / kComponents);
  loaded[0].merge(equal, proxy);  // its memory is the system's until now
  Time best;
  for (int i = 0; i < 20; ++i) {
    const Time time = time_of([&] { loaded[0].merge(equal, proxy); });
    best = {std::min(best.processor, time.processor), std::min(best.wall, time.wall)};
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double threads = at::get_num_threads();
  fmt::print(
      "{{\"load_wall_s\": {}, \"load_processor_s\": {}, \"merge_wall_s\": {}, "
      "\"merge_processor_s\": {}, \"components_bytes\": {}, \"peak_bytes\": {}}}\n",
      loading.wall,
      loading.processor * threads,
      best.wall,
      best.processor * threads,
      loaded[0].storage().bytes,
      usage.ru_maxrss * 1024);
}

}  // namespace
}  // namespace demix

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  const int number = argc > 3 ? std::stoi(argv[3]) : 0;
  if (what == "make") {
    demix::make(argv[2], number > 0 ? number : 30);
  } else if (what == "run") {
    if (argc > 4) at::set_num_threads(std::stoi(argv[4]));
    demix::run(argv[2], number > 0 ? number : 20);
  } else if (what == "once") {
    if (number > 0) at::set_num_threads(number);
    demix::once(argv[2]);
  } else {
    fmt::print(stderr, "bench_merge make|run|once FOLDER …; see bench/merge.cc\n");
    return 1;
  }
}
