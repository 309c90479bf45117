#include "demix/train/gradient.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "demix/core/error.h"
#include "demix/train/attention.h"
#include "demix/train/loss.h"
#include "demix/train/threads.h"

namespace demix {

namespace {

using at::Tensor;

// Activations of so many tokens of a small model stay in the cache; a GPU needs more to be busy.
constexpr int64_t kTokensPerPass = 2048;
constexpr int64_t kTokensPerPassOnDevice = 16384;

template <typename From>
Tensor to_long(const From* values, int64_t count, at::Device device) {
  const Tensor result = at::empty({count}, at::kLong);
  std::copy(values, values + count, result.data_ptr<int64_t>());
  return result.to(device);
}

}  // namespace

// What one thread's passes change.
struct BatchGradient::Worker {
  Weights leaves;     // the weights' values; autograd adds to `gradients`
  Weights gradients;  // in the weights' dtype, zero between passes
  Tensor d_head_VC;   // of the output projection, float32, zero between passes
};

BatchGradient::BatchGradient(const Decoder& decoder,
                             at::ScalarType dtype,
                             at::Device device,
                             int64_t rows_per_pass,
                             int64_t length,
                             int threads)
    : decoder_(decoder),
      dtype_(dtype),
      device_(device),
      rows_per_pass_(rows_per_pass),
      threads_(device.is_cpu() ? threads : 1) {
  const int64_t tokens = device.is_cpu() ? kTokensPerPass : kTokensPerPassOnDevice;
  if (rows_per_pass_ == 0) rows_per_pass_ = std::max<int64_t>(1, tokens / length);
}

BatchGradient::~BatchGradient() = default;

double BatchGradient::pass(
    Worker& worker, const PackedBatch& batch, int64_t first_row, int64_t rows, double scale) const {
  const int64_t T = batch.length, N = rows * T, vocabulary = decoder_.architecture().vocabulary;
  std::vector<int64_t> ids(N), positions(N);
  std::vector<int32_t> targets(N);
  const int32_t* begins = batch.begins.data() + first_row * T;
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t* row = batch.ids.data() + (first_row + r) * (T + 1);
    for (int64_t t = 0; t <= T; ++t)
      if (row[t] < 0 || row[t] >= vocabulary)
        throw Error(
            "token id {} in the training text, but the model's vocabulary has {} entries; were the "
            "shards made with another tokenizer?",
            row[t],
            vocabulary);
    for (int64_t t = 0; t < T; ++t) {
      ids[r * T + t] = row[t];
      targets[r * T + t] = row[t + 1];
      positions[r * T + t] = t - begins[r * T + t];
    }
  }
  const PackedAttention attention({begins, static_cast<size_t>(N)}, T, device_);
  ForwardPolicy policy;
  policy.attend = [&](int64_t, const Tensor& q, const Tensor& k, const Tensor& v) {
    return attention(q, k, v);
  };
  const Tensor hidden = decoder_.hidden(worker.leaves,
                                        to_long(ids.data(), N, device_),
                                        to_long(positions.data(), N, device_),
                                        policy);
  const HeadLoss loss = head_loss(hidden,
                                  decoder_.head(worker.leaves),
                                  targets,
                                  {batch.predicts.data() + first_row * T, static_cast<size_t>(N)},
                                  scale,
                                  worker.d_head_VC);
  hidden.backward(loss.d_hidden_NC);
  return loss.sum;
}

double BatchGradient::operator()(const Tensor& weights,
                                 const PackedBatch& batch,
                                 const Tensor& gradient) {
  const Architecture& architecture = decoder_.architecture();
  DEMIX_CHECK(weights.scalar_type() == dtype_ && weights.numel() == gradient.numel());
  const int64_t passes = (batch.rows + rows_per_pass_ - 1) / rows_per_pass_;
  const auto predicted = std::accumulate(batch.predicts.begin(), batch.predicts.end(), int64_t{0});
  const double scale = 1.0 / static_cast<double>(std::max<int64_t>(1, predicted));

  const at::AutoGradMode with_gradient(true);
  const OneThreadPerOperation one_thread;
  const auto threads = std::min<int64_t>(threads_, passes);

  workers_.resize(std::max<size_t>(workers_.size(), threads));
  const Weights shared = weights_over(architecture, weights);
  size_t head = 0;
  while (!shared.tensors[head].is_same(decoder_.head(shared))) ++head;
  for (int64_t w = 0; w < threads; ++w) {
    if (workers_[w]) continue;
    auto worker = std::make_unique<Worker>();
    worker->gradients = weights_over(architecture, at::zeros_like(weights));
    worker->d_head_VC = at::zeros(shared.tensors[head].sizes(), gradient.options());
    workers_[w] = std::move(worker);
  }
  for (int64_t w = 0; w < threads; ++w) {
    Worker& worker = *workers_[w];
    worker.leaves = weights_over(architecture, weights.detach());
    for (size_t i = 0; i < worker.leaves.tensors.size(); ++i) {
      worker.leaves.tensors[i].requires_grad_(true);
      worker.leaves.tensors[i].mutable_grad() = worker.gradients.tensors[i];
    }
  }
  const Weights total = weights_over(architecture, gradient);
  gradient.zero_();

  // Passes are added in their order, whichever thread computed them.
  double sum = 0;
  std::mutex mutex;
  std::condition_variable turn_changed;
  int64_t turn = 0;
  std::exception_ptr failure;
  const auto work = [&](int64_t w) {
    Worker& worker = *workers_[w];
    try {
      for (int64_t p = w; p < passes; p += threads) {
        const int64_t first = p * rows_per_pass_;
        const double loss =
            pass(worker, batch, first, std::min(rows_per_pass_, batch.rows - first), scale);
        std::unique_lock lock(mutex);
        turn_changed.wait(lock, [&] { return turn == p || failure; });
        if (failure) return;
        const at::NoGradGuard no_grad;
        sum += loss;
        gradient.add_(worker.gradients.flat);
        total.tensors[head].add_(worker.d_head_VC);
        worker.gradients.flat.zero_();
        worker.d_head_VC.zero_();
        ++turn;
        turn_changed.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      turn_changed.notify_all();
    }
  };
  {
    std::vector<std::jthread> others;
    for (int64_t w = 1; w < threads; ++w)
      others.emplace_back([&, w] {
        const OneThreadPerOperation here_too;
        work(w);
      });
    work(0);
  }
  if (failure) {
    workers_.clear();
    std::rethrow_exception(failure);
  }
  return sum * scale;
}

}  // namespace demix
