#include "demix/merge/components.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/merge/linear.h"

namespace demix {
namespace {

// A multiple of the kernel's block; large enough that a thread's share is worth its start.
constexpr int64_t kGrain = 1 << 16;

template <typename In, typename Out>
void merge_on_cpu(std::span<const at::Tensor> models,
                  std::span<const float> weights,
                  at::Tensor& out) {
  at::parallel_for(0, out.numel(), kGrain, [&](int64_t begin, int64_t end) {
    std::vector<const In*> starts;
    for (const at::Tensor& model : models) {
      starts.push_back(static_cast<const In*>(model.const_data_ptr()) + begin);
    }
    merge_linear(std::span<const In* const>(starts),
                 weights,
                 end - begin,
                 static_cast<Out*>(out.mutable_data_ptr()) + begin);
  });
}

void merge_on_device(std::span<const at::Tensor> models,
                     std::span<const float> weights,
                     at::Tensor& out) {
  at::Tensor sum = at::zeros(out.sizes(), out.options().dtype(at::kFloat));
  for (size_t k = 0; k < models.size(); ++k) sum.add_(models[k], weights[k]);
  out.copy_(sum);
}

void merge_flat(std::span<const at::Tensor> models,
                std::span<const float> weights,
                at::Tensor& out) {
  const at::ScalarType in_type = models[0].scalar_type(), out_type = out.scalar_type();
  DEMIX_CHECK(in_type == at::kFloat || in_type == at::kBFloat16);
  DEMIX_CHECK(out_type == at::kFloat || out_type == at::kBFloat16);
  if (!out.is_cpu()) return merge_on_device(models, weights, out);
  if (in_type == at::kFloat && out_type == at::kFloat) {
    merge_on_cpu<float, float>(models, weights, out);
  } else if (in_type == at::kFloat) {
    merge_on_cpu<float, BFloat16>(models, weights, out);
  } else if (out_type == at::kFloat) {
    merge_on_cpu<BFloat16, float>(models, weights, out);
  } else {
    merge_on_cpu<BFloat16, BFloat16>(models, weights, out);
  }
}

double l2_norm(const at::Tensor& x) { return at::norm(x.to(at::kDouble)).item<double>(); }

}  // namespace

Components::Components(Architecture architecture,
                       std::vector<std::string> names,
                       std::vector<Weights> models,
                       Weights base,
                       at::ScalarType dtype,
                       at::Device device)
    : architecture_(std::move(architecture)), names_(std::move(names)) {
  DEMIX_CHECK(names_.size() == models.size() && !models.empty());
  const double base_norm = l2_norm(base.flat);
  std::vector<at::Tensor> updates;
  for (size_t k = 0; k < models.size(); ++k) {
    if (models[k].flat.numel() != base.flat.numel()) {
      throw Error(
          "component '{}' has {} parameters, the base {}; every component must come from the base",
          names_[k],
          models[k].flat.numel(),
          base.flat.numel());
    }
    updates.push_back(models[k].flat.to(at::kFloat) - base.flat.to(at::kFloat));
    drifts_.push_back(l2_norm(updates[k]) / (l2_norm(models[k].flat) + base_norm));
  }
  cosines_.assign(models.size(), std::vector<double>(models.size(), 0));
  for (size_t a = 0; a < models.size(); ++a) {
    for (size_t b = a; b < models.size(); ++b) {
      const double lengths = l2_norm(updates[a]) * l2_norm(updates[b]);
      const double dot =
          at::dot(updates[a].to(at::kDouble), updates[b].to(at::kDouble)).item<double>();
      cosines_[a][b] = cosines_[b][a] = lengths > 0 ? dot / lengths : 0;
    }
  }
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  for (Weights& model : models) flats_.push_back(model.flat.to(options).contiguous());
  base_ = base.flat.to(options).contiguous();
}

int64_t Components::resident_bytes() const {
  return static_cast<int64_t>(base_.nbytes() * (flats_.size() + 1));
}

Weights Components::allocate(at::ScalarType dtype) const {
  return weights_over(architecture_, at::zeros(base_.sizes(), base_.options().dtype(dtype)));
}

void Components::merge(std::span<const double> merge_weights, double scale, Weights& out) const {
  if (merge_weights.size() != flats_.size()) {
    throw Error("a merge needs one weight per component: expected {}, found {}",
                flats_.size(),
                merge_weights.size());
  }
  std::vector<float> weights;
  double sum = 0;
  for (size_t k = 0; k < flats_.size(); ++k) {
    if (!std::isfinite(merge_weights[k])) {
      throw Error(
          "merge weight of '{}' is {}, expected a finite number", names_[k], merge_weights[k]);
    }
    weights.push_back(static_cast<float>(scale * merge_weights[k]));
    sum += merge_weights[k];
  }
  std::vector<at::Tensor> models = flats_;
  if (scale != 1) {
    weights.push_back(static_cast<float>(1 - scale * sum));
    models.push_back(base_);
  }
  merge_flat(models, weights, out.flat);
}

}  // namespace demix
