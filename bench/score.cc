// How close scoring comes to the machine's limit, as ratios within one run:
//   P        best of five products of 2048³ in each thread
//   P_shape  what the model's own products reach at the tile used, all threads, FLOP-weighted
//   score    necessary FLOPs (no padding) per second of log_likelihoods
//
//   build/release/bench_score [small|135m] [float32|bfloat16] [items] [rows per pass]
//
// Items are random tokens in the lengths of ARC-Easy: a context of 15 to 55 tokens, four answers of
// 1 to 11.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <functional>
#include <thread>

#include "demix/evaluate/passes.h"

namespace demix {
namespace {

// Processor time of all threads, over their number: what other programs on the machine disturb
// least.
double seconds(const std::function<void()>& work) {
  const auto now = [] {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  work();
  return (now() - start) / at::get_num_threads();
}

double best_of(int times, const std::function<void()>& work) {
  double best = seconds(work);
  for (int i = 1; i < times; ++i) best = std::min(best, seconds(work));
  return best;
}

Architecture shape_of(const std::string& name) {
  Architecture a;
  if (name == "small") {
    a = {.vocabulary = 4096, .hidden = 128, .layers = 4, .heads = 4, .kv_heads = 2, .head_dim = 32};
    a.intermediate = 352;
  } else {
    a = {.vocabulary = 49152,
         .hidden = 576,
         .layers = 30,
         .heads = 9,
         .kv_heads = 3,
         .head_dim = 64};
    a.intermediate = 1536;
  }
  return a;
}

std::vector<TokenTree> random_items(int64_t count, int64_t vocabulary) {
  Rng rng(1);
  std::vector<TokenTree> trees;
  int64_t slot = 0;
  for (int64_t i = 0; i < count; ++i) {
    std::vector<int32_t> context(15 + rng.below(41));
    for (int32_t& id : context) id = static_cast<int32_t>(rng.below(vocabulary));
    std::vector<Sequence> choices;
    for (int choice = 0; choice < 4; ++choice) {
      auto ids = context;
      for (uint64_t left = 1 + rng.below(11); left > 0; --left)
        ids.push_back(static_cast<int32_t>(rng.below(vocabulary)));
      choices.push_back({std::move(ids), static_cast<int64_t>(context.size()), slot++});
    }
    trees.push_back(merge_sequences(choices));
  }
  return trees;
}

// FLOP/s of all threads, each with its own products [rows, in] x [in, out]: the best of five runs,
// each of at least `kLeastFlops` per thread.
double product_rate(int64_t rows, int64_t in, int64_t out, at::ScalarType dtype) {
  constexpr double kLeastFlops = 2e10;
  const int threads = at::get_num_threads();
  const double flops = 2.0 * static_cast<double>(rows * in * out);
  const auto repeats = static_cast<int64_t>(std::ceil(kLeastFlops / flops));
  const at::Tensor weight = at::randn({out, in}).to(dtype);
  std::vector<at::Tensor> x, y;
  for (int t = 0; t < threads; ++t) {
    x.push_back(at::randn({rows, in}).to(dtype));
    y.push_back(at::empty({rows, out}, dtype));
  }
  const double elapsed = best_of(5, [&] {
    std::vector<std::jthread> workers;
    for (size_t t = 0; t < x.size(); ++t) {
      workers.emplace_back([&, t] {
        at::set_num_threads(1);
        for (int64_t i = 0; i < repeats; ++i) at::mm_out(y[t], x[t], weight.t());
      });
    }
  });
  at::set_num_threads(threads);
  return flops * static_cast<double>(repeats * threads) / elapsed;
}

void run(const std::string& shape, at::ScalarType dtype, int64_t items, int64_t rows_wanted) {
  const Architecture a = shape_of(shape);
  const Decoder decoder(a, at::kCPU);
  const Weights weights = weights_over(a, initial_weights(a, Rng(1)).flat.to(dtype));
  const auto trees = random_items(items, a.vocabulary);
  int64_t rows = 0, answer_rows = 0;
  for (const TokenTree& tree : trees) {
    rows += tree.rows();
    std::vector<bool> read(tree.ids.size());
    for (const Answer& answer : tree.answers) read[answer.row] = true;
    answer_rows += std::count(read.begin(), read.end(), true);
  }
  std::vector<Pass> passes;
  const double planning =
      seconds([&] { passes = pack(trees, rows_per_pass(rows_wanted, rows, true)); });
  int64_t padded = 0;
  for (const Pass& pass : passes) padded += (pass.rows() + kTileRows - 1) / kTileRows * kTileRows;

  const double peak = product_rate(2048, 2048, 2048, dtype);
  const int64_t attention = (a.heads + 2 * a.kv_heads) * a.head_dim;
  // {in, out, times per token}
  const double n = static_cast<double>(rows), layers = static_cast<double>(a.layers) * n;
  double flops = 0, best_seconds = 0;
  const auto count = [&](int64_t tile, int64_t in, int64_t out, double times) {
    const double these = 2.0 * static_cast<double>(in * out) * times;
    flops += these;
    best_seconds += these / product_rate(tile, in, out, dtype);
  };
  count(kTileRows, a.hidden, attention, layers);
  count(kTileRows, a.heads * a.head_dim, a.hidden, layers);
  count(kTileRows, a.hidden, 2 * a.intermediate, layers);
  count(kTileRows, a.intermediate, a.hidden, layers);
  count(kHeadTileRows,
        a.hidden,
        std::min<int64_t>(1024, a.vocabulary),
        static_cast<double>(answer_rows) * static_cast<double>(a.vocabulary) /
            std::min<double>(1024, a.vocabulary));

  const double elapsed =
      best_of(3, [&] { log_likelihoods(passes, 4 * items, decoder, weights, nullptr); });
  fmt::print(
      "{} {}, {} threads, {} items, {} tokens ({} answered) in {} passes, {:.1f} % padding, packed "
      "in {:.1f} ms\n"
      "  P {:.1f} GFLOP/s, P_shape {:.1f} GFLOP/s\n"
      "  score {:.3f} s, {:.0f} tokens/s, {:.0f} items/s, {:.1f} GFLOP/s = {:.2f} P = {:.2f} "
      "P_shape\n",
      shape,
      at::toString(dtype),
      at::get_num_threads(),
      items,
      rows,
      answer_rows,
      passes.size(),
      100.0 * static_cast<double>(padded - rows) / n,
      planning * 1e3,
      peak / 1e9,
      flops / best_seconds / 1e9,
      elapsed,
      n / elapsed,
      static_cast<double>(items) / elapsed,
      flops / elapsed / 1e9,
      flops / elapsed / peak,
      best_seconds / elapsed);
}

}  // namespace
}  // namespace demix

int main(int argc, char** argv) {
  const std::string shape = argc > 1 ? argv[1] : "small";
  const auto dtype = argc > 2 && std::string(argv[2]) == "bfloat16" ? at::kBFloat16 : at::kFloat;
  demix::run(shape,
             dtype,
             argc > 3 ? std::stoll(argv[3]) : (shape == "small" ? 500 : 40),
             argc > 4 ? std::stoll(argv[4]) : 4096);
}
