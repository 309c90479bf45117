#include "demix/train/loss.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/simd.h"
#include "demix/train/part_vectors.h"

namespace demix {

namespace {

using at::Tensor;

// Logits of a block are about this many elements.
constexpr int64_t kBlockElements = int64_t{1} << 21;
constexpr int64_t kMinBlockTokens = 128;

// Logits in place to the gradient of scale * -ln p(target); returns -ln p(target). `exps` is
// scratch for V numbers, rounded up to whole vectors.
template <typename Isa, typename T>
DEMIX_INLINE double cross_entropy_row(T* row, float* exps, int64_t V, int64_t target, float scale) {
  using Floats = typename Isa::Floats;
  Floats largest = every_lane<Floats>(-INFINITY), sums = {}, x;
  for (int64_t v = 0; v < V; v += kLanes) {
    load_first<Isa>(row + v, V - v, x);
    keep_between(x, v, 0, V, -INFINITY);
    largest = choose(x > largest, x, largest);
  }
  const float top = largest_of(largest);
  const double logit = to_float(row[target]);
  for (int64_t v = 0; v < V; v += kLanes) {
    load_first<Isa>(row + v, V - v, x);
    x -= top;
    Isa::exponentiate(x);
    keep_between(x, v, 0, V, 0);
    sums += x;
    store(x, exps + v);
  }
  const float sum = sum_of(sums), factor = scale / sum;
  for (int64_t v = 0; v < V; v += kLanes) {
    load(exps + v, x);
    x *= factor;
    store_first<Isa>(x, V - v, row + v);
  }
  store_first<Isa>(every_lane<Floats>(exps[target] * factor - scale), 1, row + target);
  return std::log(static_cast<double>(sum)) + top - logit;
}

// A pass's targets.
struct Targets {
  const int32_t* ids;
  const uint8_t* predicts;
};

template <typename Isa, typename T>
DEMIX_INLINE void cross_entropy_for(T* logits,
                                    float* exps,
                                    const Targets& targets,
                                    int64_t rows,
                                    int64_t V,
                                    float scale,
                                    double& loss) {
  for (int64_t r = 0; r < rows; ++r, logits += V) {
    if (targets.predicts[r])
      loss += cross_entropy_row<Isa>(logits, exps, V, targets.ids[r], scale);
    else
      std::fill(logits, logits + V, T{});
  }
}

#define DEMIX_FOR(T)                                          \
  DEMIX_KERNEL(cross_entropy,                                 \
               (T * logits,                                   \
                float* exps,                                  \
                const Targets& targets,                       \
                int64_t rows,                                 \
                int64_t V,                                    \
                float scale,                                  \
                double& loss),                                \
               (logits, exps, targets, rows, V, scale, loss)) \
  DEMIX_KERNEL(add_to, (float* sum, const T* x, int64_t n), (sum, x, n))
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR

template <typename T>
HeadLoss fused(const Tensor& hidden,
               const Tensor& head,
               std::span<const int32_t> targets,
               std::span<const uint8_t> predicts,
               double scale,
               const Tensor& d_head) {
  const int64_t N = hidden.size(0), V = head.size(0);
  const int64_t block = std::min(N, std::max(kMinBlockTokens, kBlockElements / V));
  HeadLoss result{.d_hidden_NC = at::empty_like(hidden)};
  const Tensor logits = at::empty({block, V}, hidden.options());
  Tensor product = at::empty_like(head);
  std::vector<float> exps((V + kLanes - 1) / kLanes * kLanes);
  for (int64_t begin = 0; begin < N; begin += block) {
    const int64_t rows = std::min(block, N - begin);
    const Tensor x = hidden.narrow(0, begin, rows);
    Tensor l = logits.narrow(0, 0, rows);
    at::mm_out(l, x, head.t());
    double loss = 0;
    cross_entropy(static_cast<T*>(l.data_ptr()),
                  exps.data(),
                  {targets.data() + begin, predicts.data() + begin},
                  rows,
                  V,
                  static_cast<float>(scale),
                  loss);
    result.sum += loss;
    Tensor dx = result.d_hidden_NC.narrow(0, begin, rows);
    at::mm_out(dx, l, head);
    at::mm_out(product, l.t(), x);
    add_to(d_head.data_ptr<float>(), static_cast<const T*>(product.data_ptr()), product.numel());
  }
  return result;
}

// The same as tensor expressions, for other devices and dtypes.
HeadLoss plain(const Tensor& hidden,
               const Tensor& head,
               std::span<const int32_t> targets,
               std::span<const uint8_t> predicts,
               double scale,
               const Tensor& d_head) {
  const int64_t N = hidden.size(0), V = head.size(0);
  const int64_t block = std::min(N, std::max(int64_t{1024}, 16 * kBlockElements / V));
  const auto wide = d_head.scalar_type();
  const Tensor all_targets =
      at::tensor(at::ArrayRef<int32_t>(targets.data(), targets.size()), at::kInt)
          .to(at::kLong)
          .to(hidden.device());
  const Tensor all_predicts =
      at::tensor(at::ArrayRef<uint8_t>(predicts.data(), predicts.size()), at::kByte)
          .to(wide)
          .to(hidden.device());
  HeadLoss result{.d_hidden_NC = at::empty_like(hidden)};
  Tensor sum = at::zeros({}, d_head.options());
  for (int64_t begin = 0; begin < N; begin += block) {
    const int64_t rows = std::min(block, N - begin);
    const Tensor x = hidden.narrow(0, begin, rows);
    const Tensor predicted = all_predicts.narrow(0, begin, rows).unsqueeze(1);
    const Tensor target = all_targets.narrow(0, begin, rows).unsqueeze(1);
    const Tensor log_p = at::log_softmax(at::mm(x, head.t()).to(wide), 1);
    // Sums stay on the device until the end: no synchronisation per block.
    sum.sub_((log_p.gather(1, target) * predicted).sum());
    Tensor d = log_p.exp();
    d.scatter_add_(1, target, at::full({rows, 1}, -1.0, d.options()));
    d = d.mul_(predicted * scale).to(hidden.scalar_type());
    result.d_hidden_NC.narrow(0, begin, rows).copy_(at::mm(d, head));
    d_head.add_(at::mm(d.t(), x));
  }
  result.sum = sum.item<double>();
  return result;
}

}  // namespace

HeadLoss head_loss(const Tensor& hidden_NC,
                   const Tensor& head_VC,
                   std::span<const int32_t> targets_N,
                   std::span<const uint8_t> predicts_N,
                   double scale,
                   const Tensor& d_head_VC) {
  const auto N = static_cast<size_t>(hidden_NC.size(0));
  DEMIX_CHECK(targets_N.size() == N && predicts_N.size() == N);
  DEMIX_CHECK(d_head_VC.sizes() == head_VC.sizes() && d_head_VC.is_contiguous());
  const int64_t V = head_VC.size(0);
  for (const int32_t target : targets_N) DEMIX_CHECK(target >= 0 && target < V);
  const at::NoGradGuard no_grad;
  const Tensor hidden = hidden_NC.detach().contiguous(), head = head_VC.detach();
  if (hidden.device().is_cpu() && hidden.scalar_type() == at::kBFloat16)
    return fused<BFloat16>(hidden, head, targets_N, predicts_N, scale, d_head_VC);
  if (hidden.device().is_cpu() && hidden.scalar_type() == at::kFloat)
    return fused<float>(hidden, head, targets_N, predicts_N, scale, d_head_VC);
  return plain(hidden, head, targets_N, predicts_N, scale, d_head_VC);
}

}  // namespace demix
