// Speed of a training step, as a fraction of what the machine's matrix products allow.
//
//   build/release/bench_train [--dtype bfloat16|float32] [--threads N] [--jobs N] [--hidden 128] …
//
// P: best of five products at 2048³, same dtype and threads, same run. P_shape: the rate of the
// model's own products (forward, and both backward) at the tokens of a pass, weighted by their
// FLOPs. Achieved: FLOPs of the step's products (attention scores not counted) / time of the whole
// step, optimiser included. With --jobs J, J models train at once, one per thread, as the
// components of a run do; P and P_shape are then measured in the same way.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <barrier>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "demix/core/rng.h"
#include "demix/model/decoder.h"
#include "demix/model/weights.h"
#include "demix/train/gradient.h"
#include "demix/train/optimizer.h"

using namespace demix;

namespace {

double seconds_of(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double best_of(int times, const std::function<void()>& f) {
  f();
  double best = 1e9;
  for (int i = 0; i < times; ++i) best = std::min(best, seconds_of(f));
  return best;
}

struct Product {
  int64_t in, out;
};

std::vector<Product> products_of(const Architecture& a) {
  std::vector<Product> products;
  for (int64_t layer = 0; layer < a.layers; ++layer) {
    const int64_t q = a.heads * a.head_dim, kv = a.kv_heads * a.head_dim;
    for (const Product p : {Product{a.hidden, q},
                            {a.hidden, kv},
                            {a.hidden, kv},
                            {q, a.hidden},
                            {a.hidden, a.intermediate},
                            {a.hidden, a.intermediate},
                            {a.intermediate, a.hidden}})
      products.push_back(p);
  }
  products.push_back({a.hidden, a.vocabulary});
  return products;
}

// FLOP/s of the model's products at N tokens: y = x wᵀ, dx = dy w, dw = dyᵀ x.
double shape_rate(const Architecture& a, int64_t N, at::ScalarType dtype) {
  double flops = 0, seconds = 0;
  for (const Product& p : products_of(a)) {
    const auto options = at::TensorOptions(dtype);
    // The output projection works in blocks of this many tokens (demix/train/loss.cc).
    const int64_t rows =
        p.out == a.vocabulary ? std::min(N, std::max<int64_t>(128, (1 << 21) / p.out)) : N;
    const at::Tensor x = at::rand({rows, p.in}, options), w = at::rand({p.out, p.in}, options);
    const at::Tensor dy = at::rand({rows, p.out}, options);
    const double s = best_of(5, [&] { at::mm(x, w.t()); }) + best_of(5, [&] { at::mm(dy, w); }) +
                     best_of(5, [&] { at::mm(dy.t(), x); });
    seconds += s * static_cast<double>(N) / static_cast<double>(rows);
    flops += 6.0 * static_cast<double>(N * p.in * p.out);
  }
  return flops / seconds;
}

PackedBatch random_batch(
    const Architecture& a, int64_t rows, int64_t length, int64_t document, Rng rng) {
  PackedBatch batch{.rows = rows, .length = length};
  for (int64_t r = 0; r < rows; ++r) {
    int32_t begin = 0;
    for (int64_t t = 0; t < length; ++t) {
      if (document > 0 && rng.below(document) == 0) begin = static_cast<int32_t>(t);
      batch.begins.push_back(begin);
      batch.predicts.push_back(1);
    }
    for (int64_t t = 0; t <= length; ++t)
      batch.ids.push_back(static_cast<int32_t>(rng.below(a.vocabulary)));
  }
  return batch;
}

}  // namespace

int main(int argc, char** argv) {
  Architecture a{.vocabulary = 4096,
                 .hidden = 128,
                 .layers = 4,
                 .heads = 4,
                 .kv_heads = 2,
                 .head_dim = 32,
                 .intermediate = 352};
  int64_t rows = 32, length = 256, rows_per_pass = 0, document = 400;
  int threads = 1, jobs = 1, steps = 8;
  std::string dtype_name = "bfloat16";
  CLI::App app("Speed of a training step");
  app.add_option("--dtype", dtype_name);
  app.add_option("--threads", threads, "threads of each job");
  app.add_option("--jobs", jobs, "models trained at once");
  app.add_option("--vocabulary", a.vocabulary);
  app.add_option("--hidden", a.hidden);
  app.add_option("--layers", a.layers);
  app.add_option("--heads", a.heads);
  app.add_option("--kv-heads", a.kv_heads);
  app.add_option("--head-dim", a.head_dim);
  app.add_option("--intermediate", a.intermediate);
  app.add_option("--rows", rows, "per step");
  app.add_option("--rows-per-pass", rows_per_pass);
  app.add_option("--length", length);
  app.add_option("--document", document, "mean tokens of a document; 0: no borders");
  app.add_option("--steps", steps);
  CLI11_PARSE(app, argc, argv);
  const at::ScalarType dtype = dtype_name == "float32" ? at::kFloat : at::kBFloat16;
  const int64_t pass_rows = rows_per_pass > 0 ? rows_per_pass : std::max<int64_t>(1, 2048 / length);

  std::vector<double> peak(jobs), shape(jobs), step_s(jobs);
  std::barrier together(jobs);
  const auto job = [&](int j) {
    at::get_num_threads();
    at::set_num_threads(threads);
    const at::NoGradGuard no_grad;
    const at::Tensor square = at::rand({2048, 2048}, at::TensorOptions(dtype));
    together.arrive_and_wait();
    peak[j] = 2.0 * 2048 * 2048 * 2048 / best_of(5, [&] { at::mm(square, square); });
    together.arrive_and_wait();
    shape[j] = shape_rate(a, pass_rows * length, dtype);

    const Decoder decoder(a, at::kCPU);
    const Weights master = initial_weights(a, Rng(1));
    const at::Tensor working = dtype == at::kFloat ? master.flat : master.flat.to(dtype);
    const at::Tensor gradient = at::zeros_like(master.flat);
    AdamW optimizer(parameter_layout(a), flat_size(a), {}, at::kCPU);
    BatchGradient gradient_of(decoder, dtype, at::kCPU, rows_per_pass, length, threads);
    const PackedBatch batch = random_batch(a, rows, length, document, Rng(2));
    int64_t step = 0;
    const auto one_step = [&] {
      gradient_of(working, batch, gradient);
      const double norm = gradient_norm(gradient);
      if (norm > 1) gradient.mul_(1 / norm);
      optimizer.step(master.flat, gradient, 1e-3, ++step);
      if (!working.is_same(master.flat)) working.copy_(master.flat);
    };
    one_step();
    together.arrive_and_wait();
    std::vector<double> times;
    for (int i = 0; i < steps; ++i) times.push_back(seconds_of(one_step));
    std::sort(times.begin(), times.end());
    step_s[j] = times[times.size() / 2];
    fmt::print("job {}: step median {:.1f} ms, fastest {:.1f}, slowest {:.1f}\n",
               j,
               step_s[j] * 1e3,
               times.front() * 1e3,
               times.back() * 1e3);
  };
  {
    std::vector<std::jthread> pool;
    for (int j = 0; j < jobs; ++j) pool.emplace_back(job, j);
  }

  const double tokens = static_cast<double>(rows * length);
  const double flops_per_token = 3 * forward_flops_per_token(a, true);
  double p = 0, p_shape = 0, rate = 0;
  for (int j = 0; j < jobs; ++j) {
    p += peak[j];
    p_shape += shape[j];
    rate += tokens / step_s[j];
  }
  const double achieved = rate * flops_per_token;
  fmt::print(
      "{} parameters, {} rows of {} tokens per step, {} per pass, {}, {} job(s) of {} thread(s)\n",
      parameter_count(a),
      rows,
      length,
      pass_rows,
      dtype_name,
      jobs,
      threads);
  fmt::print("tokens/s {:.0f} ({:.0f} per thread); {:.2f} MFLOP per token\n",
             rate,
             rate / (jobs * threads),
             flops_per_token / 1e6);
  fmt::print("P {:.1f} GFLOP/s, P_shape {:.1f}, achieved {:.1f}: {:.2f} of P, {:.2f} of P_shape\n",
             p / 1e9,
             p_shape / 1e9,
             achieved / 1e9,
             achieved / p,
             achieved / p_shape);
  fmt::print("bound at P_shape: {:.0f} tokens/s\n", p_shape / flops_per_token);
}
