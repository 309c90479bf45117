// How close scoring on the CPU comes to the machine's limit, as ratios within one run:
//   P        products of 2048³, each thread its own
//   P_shape  the model's own products, FLOP-weighted, for as many rows as go through a layer
//   together blocks   the same by the scorer's kernels, with packed weights and nothing behind them
//   score    necessary FLOPs (no padding) per second of log_likelihoods, packing included
// Every figure is the best of five, the median and the largest of which are printed for `score`.
//
//   build/release/bench_score [small|135m] [float32|bfloat16] [items] [rows per pass]
//
// Items are random tokens in the lengths of ARC-Easy: a context of 15 to 55 tokens, four answers of
// 1 to 11.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <ctime>
#include <functional>
#include <thread>

#include "demix/evaluate/forward.h"
#include "demix/evaluate/packed_layers.h"
#include "demix/evaluate/passes.h"
#include "demix/evaluate/product.h"

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

constexpr int kTimes = 5;

std::vector<double> timed(const std::function<void()>& work) {
  std::vector<double> times;
  work();  // kernels are compiled, memory is there
  for (int i = 0; i < kTimes; ++i) times.push_back(seconds(work));
  std::sort(times.begin(), times.end());
  return times;
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

// FLOP/s of all threads, each with its own products [rows, in] x [in, out]. `prepare` gives what
// one thread does for one product.
double product_rate(int64_t rows,
                    int64_t in,
                    int64_t out,
                    const std::function<std::function<void()>()>& prepare) {
  constexpr double kLeastFlops = 2e10;  // of a thread in one run
  const int threads = at::get_num_threads();
  const double flops = 2.0 * static_cast<double>(rows * in * out);
  const auto repeats = static_cast<int64_t>(std::ceil(kLeastFlops / flops));
  std::vector<std::function<void()>> products;
  for (int t = 0; t < threads; ++t) products.push_back(prepare());
  const auto times = timed([&] {
    std::vector<std::jthread> workers;
    for (const auto& product : products) {
      workers.emplace_back([&] {
        at::set_num_threads(1);
        for (int64_t i = 0; i < repeats; ++i) product();
      });
    }
  });
  at::set_num_threads(threads);
  return flops * static_cast<double>(repeats * threads) / times[0];
}

double library_rate(int64_t rows, int64_t in, int64_t out, at::ScalarType dtype) {
  return product_rate(rows, in, out, [&] {
    const at::Tensor x = at::randn({rows, in}).to(dtype), weight = at::randn({out, in}).to(dtype);
    return
        [x, weight, y = at::empty({rows, out}, dtype)]() mutable { at::mm_out(y, x, weight.t()); };
  });
}

template <typename T>
double block_rate(int64_t rows, int64_t in, int64_t out) {
  return product_rate(rows, in, out, [&] {
    const int64_t stride = row_stride<T>(in);
    const auto x = std::make_shared<Buffer<T>>(round_up(rows, kBlockRows) * stride);
    const Buffer<T> weights(out * in);
    const auto dtype = std::is_same_v<T, float> ? at::kFloat : at::kBFloat16;
    const auto fill = [&](T* to, int64_t count) {
      std::memcpy(to, at::randn({count}).to(dtype).const_data_ptr(), count * sizeof(T));
    };
    fill(x->data(), rows * stride);
    fill(weights.data(), out * in);
    const auto matrix =
        std::make_shared<Matrix<T>>(out, in, [&](int64_t i) { return weights.data() + i * in; });
    return [=] {
      matrix->multiply(x->data(), stride, rows, [](int64_t, int64_t, const Block&) {});
      end_block_products();
    };
  });
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
  const double packing = timed([&] { pack_model(decoder, weights, 128); })[0];

  // {in, out, times}: columns as the scorer multiplies them, q, k and v together, gate and up too.
  const double n = static_cast<double>(rows), layers = static_cast<double>(a.layers) * n;
  const int64_t qkv = (a.heads + 2 * a.kv_heads) * a.head_dim;
  const struct {
    int64_t in, out;
    double times;
  } products[] = {{a.hidden, qkv, layers},
                  {a.heads * a.head_dim, a.hidden, layers},
                  {a.hidden, 2 * a.intermediate, layers},
                  {a.intermediate, a.hidden, layers},
                  {a.hidden, a.vocabulary, static_cast<double>(answer_rows)}};
  double flops = 0, library_seconds = 0, block_seconds = 0;
  for (const auto& [in, out, times] : products) {
    const double these = 2.0 * static_cast<double>(in * out) * times;
    flops += these;
    library_seconds += these / library_rate(kGroupRows, in, out, dtype);
    block_seconds += these / (dtype == at::kFloat ? block_rate<float>(kGroupRows, in, out)
                                                  : block_rate<BFloat16>(kGroupRows, in, out));
  }
  const double peak = library_rate(2048, 2048, 2048, dtype);
  const auto times = timed([&] { log_likelihoods(passes, 4 * items, decoder, weights, nullptr); });
  fmt::print(
      "{} {}, {} threads, {} items, {} tokens ({} answered) in {} passes, planned in {:.1f} ms, "
      "weights packed in {:.1f} ms\n"
      "  P {:.1f} GFLOP/s, P_shape {:.1f} GFLOP/s, blocks {:.1f} GFLOP/s\n"
      "  score {:.3f} s (median {:.3f}, largest {:.3f}), {:.0f} tokens/s, {:.0f} items/s, {:.1f} "
      "GFLOP/s = {:.2f} P = {:.2f} P_shape = {:.2f} blocks\n",
      shape,
      at::toString(dtype),
      at::get_num_threads(),
      items,
      rows,
      answer_rows,
      passes.size(),
      planning * 1e3,
      packing * 1e3,
      peak / 1e9,
      flops / library_seconds / 1e9,
      flops / block_seconds / 1e9,
      times[0],
      times[kTimes / 2],
      times.back(),
      n / times[0],
      static_cast<double>(items) / times[0],
      flops / times[0] / 1e9,
      flops / times[0] / peak,
      library_seconds / times[0],
      block_seconds / times[0]);
}

}  // namespace
}  // namespace demix

int main(int argc, char** argv) {
  const std::string shape = argc > 1 ? argv[1] : "small";
  const auto dtype = argc > 2 && std::string(argv[2]) == "bfloat16" ? at::kBFloat16 : at::kFloat;
  demix::run(shape,
             dtype,
             argc > 3 ? std::stoll(argv[3]) : (shape == "small" ? 1000 : 200),
             argc > 4 ? std::stoll(argv[4]) : 4096);
}
