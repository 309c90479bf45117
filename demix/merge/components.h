// The components of a run, resident in memory, and the proxies merged from them.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "demix/model/weights.h"

namespace demix {

// K models of one architecture as flat buffers of one dtype on one device. A proxy never touches
// the disk: `merge` writes straight into the weights that the evaluator reads.
class Components {
 public:
  // All of `models` (and `base`) share the architecture; they are cast to `dtype` on `device`.
  Components(Architecture architecture,
             std::vector<std::string> names,
             std::vector<Weights> models,
             Weights base,
             at::ScalarType dtype,
             at::Device device);

  size_t size() const { return flats_.size(); }
  const std::vector<std::string>& names() const { return names_; }
  int64_t resident_bytes() const;

  // Weights of the components' shape in `dtype`, to merge into.
  Weights allocate(at::ScalarType dtype) const;
  // W = base + scale · Σ_k merge_weights[k] · (Θ_k − base); with scale 1 the plain linear merge,
  // which does not read the base. Accumulated in float32, rounded once. Throws Error unless there
  // is one finite weight per component.
  void merge(std::span<const double> merge_weights, double scale, Weights& out) const;

  // δ_k = |Θ_k − base| / (|Θ_k| + |base|): how far training carried component k. The merge stands
  // in for training only while δ is much smaller than one. Computed in float32 before the cast.
  const std::vector<double>& drifts() const { return drifts_; }
  // Cosines between the updates Θ_k − base, [K][K]; 0 where an update is zero.
  const std::vector<std::vector<double>>& cosines() const { return cosines_; }

 private:
  Architecture architecture_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> flats_;
  at::Tensor base_;
  std::vector<double> drifts_;
  std::vector<std::vector<double>> cosines_;
};

}  // namespace demix
