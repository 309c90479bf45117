// Merges that stay in the span of the models: slerp, nuslerp, multislerp, karcher, model_stock.
//
//   W = o + Σ_k c_k (x_k − o)
//
// Their coefficients c depend on lengths and angles only, that is on the K × K inner products of
// the vectors x_k − o. So a tensor is read twice, whatever a method computes: once for the
// products, once for the sum. Products are exact to double precision; an iteration such as
// Karcher's runs on K numbers instead of K tensors.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "demix/merge/method.h"

namespace demix {

// The inner products of K vectors.
class InnerProducts {
 public:
  explicit InnerProducts(size_t vectors) : vectors_(vectors), values_(vectors * vectors, 0) {}

  size_t vectors() const { return vectors_; }
  double& at(size_t i, size_t j) { return values_[i * vectors_ + j]; }
  double at(size_t i, size_t j) const { return values_[i * vectors_ + j]; }
  double length(size_t i) const;
  // Length of Σ_k factors[k] · vector k.
  double length_of_sum(std::span<const double> factors) const;

 private:
  size_t vectors_;
  std::vector<double> values_;  // symmetric
};

// From inner products to the K coefficients.
using Coefficients = std::function<void(const InnerProducts&, std::span<double>)>;

// What counts as one vector: the whole tensor, each slice along the last dimension, or each along
// the first.
enum class VectorsAlong { kTensor, kLast, kFirst };

// `origin` may be null, for zero. `coefficients` is called once for each vector of the tensor, by
// several threads; it may throw.
void merge_in_span(std::span<const float* const> models,
                   const float* origin,
                   std::span<const int64_t> shape,
                   int64_t count,
                   VectorsAlong along,
                   int threads,
                   const Coefficients& coefficients,
                   float* out);

// The same of a tensor's models around its base, or zero where there is none.
inline void merge_in_span(const TensorMerge& tensor,
                          VectorsAlong along,
                          const Coefficients& coefficients,
                          float* out) {
  merge_in_span(tensor.models,
                tensor.base,
                tensor.shape,
                tensor.count,
                along,
                tensor.threads,
                coefficients,
                out);
}

}  // namespace demix
