#include "demix/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"

namespace demix {

AdamW::AdamW(std::span<const ParameterSpec> layout,
             int64_t size,
             const AdamWConfig& config,
             at::Device device)
    : config_(config) {
  for (const ParameterSpec& parameter : layout) {
    const bool decays = parameter.shape.size() > 1;
    if (!ranges_.empty() && ranges_.back().decays == decays)
      ranges_.back().count = parameter.offset + parameter.count - ranges_.back().offset;
    else
      ranges_.push_back({parameter.offset, parameter.count, decays});
  }
  mean_ = at::zeros({size}, at::TensorOptions(at::kFloat).device(device));
  variance_ = at::zeros_like(mean_);
}

void AdamW::step(const at::Tensor& weights,
                 const at::Tensor& gradient,
                 double learning_rate,
                 int64_t step) {
  DEMIX_CHECK(weights.sizes() == mean_.sizes() && gradient.sizes() == mean_.sizes() && step > 0);
  const at::NoGradGuard no_grad;
  const at::Tensor count = at::full({}, static_cast<double>(step), mean_.options());
  for (const bool decays : {true, false}) {
    std::vector<at::Tensor> w, g, m, v, counts;
    for (const Range& range : ranges_) {
      if (range.decays != decays) continue;
      w.push_back(weights.narrow(0, range.offset, range.count));
      g.push_back(gradient.narrow(0, range.offset, range.count));
      m.push_back(mean_.narrow(0, range.offset, range.count));
      v.push_back(variance_.narrow(0, range.offset, range.count));
      counts.push_back(count);
    }
    if (w.empty()) continue;
    at::_fused_adamw_(w,
                      g,
                      m,
                      v,
                      /*max_exp_avg_sqs=*/{},
                      counts,
                      learning_rate,
                      config_.beta1,
                      config_.beta2,
                      decays ? config_.weight_decay : 0.0,
                      config_.epsilon,
                      /*amsgrad=*/false,
                      /*maximize=*/false);
  }
}

double gradient_norm(const at::Tensor& gradient) {
  // Norms of pieces, then of those: float32 alone would lose digits over many parameters.
  double squares = 0;
  constexpr int64_t kPiece = int64_t{1} << 20;
  if (!gradient.device().is_cpu()) return at::linalg_vector_norm(gradient).item<double>();
  for (int64_t begin = 0; begin < gradient.numel(); begin += kPiece) {
    const double norm = at::linalg_vector_norm(
                            gradient.narrow(0, begin, std::min(kPiece, gradient.numel() - begin)))
                            .item<double>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

}  // namespace demix
