// How far models lie from a base and in which directions: lengths and dot products of their updates
// (model − base), gathered while the tensors stream past.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace demix {

// K models against one base. Sums within 1024 numbers are float32, beyond them double.
class UpdateStatistics {
 public:
  // Without cosines only lengths are gathered, in time linear in K.
  UpdateStatistics(size_t models, bool with_cosines);

  // Adds `count` numbers of the base and of each model at the same places.
  void add(const float* base, std::span<const float* const> models, int64_t count);
  void add(const UpdateStatistics& other);

  size_t models() const { return models_; }
  bool with_cosines() const { return with_cosines_; }
  double base_norm() const;
  double model_norm(size_t k) const;
  // |Θ_k − base|
  double distance(size_t k) const;
  // δ_k = |Θ_k − base| / (|Θ_k| + |base|); 0 when both are zero. Unrelated models of one size have
  // about 1/√2.
  double drift(size_t k) const;
  // Cosine of the angle between two updates; 0 when one is zero. Needs `with_cosines`.
  double cosine(size_t k, size_t l) const;

 private:
  size_t pair(size_t k, size_t l) const;  // place of k <= l in dots_

  size_t models_;
  bool with_cosines_;
  double base_square_ = 0;
  std::vector<double> squares_;  // |Θ_k|²
  std::vector<double> dots_;  // of updates: all pairs k <= l row by row, or only those with k = l
};

}  // namespace demix
