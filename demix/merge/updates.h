// Merges of updates, the family of task arithmetic:
//
//   Δ_k = Θ_k − base,   W = base + λ · Σ_k w_k P(Δ_k)
//
// P is what a method keeps of an update (nothing is dropped, the largest, a random part …) with an
// optional rescaling of the rest. With an election of signs (TIES), the sum at each place runs over
// those models whose weighted update has the sign of the sum of all of them; with `normalize` it is
// divided by the sum of the weights that took part.
//
// Everything is float32, in mergekit's order: prune, rescale, weight, vote, sum, divide, λ.
#pragma once

#include <limits>
#include <string_view>
#include <vector>

#include "demix/merge/method.h"

namespace demix {

// What a method keeps of each update.
class Pruning {
 public:
  virtual ~Pruning() = default;
  // Zeroes what is dropped of elements [begin, begin + size) of model k's update. Called for the
  // same blocks several times, by several threads, and must do the same every time.
  virtual void prune(size_t k, int64_t begin, int64_t size, float* update) const = 0;
  // Blocks hold a multiple of so many elements.
  virtual int64_t whole() const { return 1; }
};

// Parameters that this family shares; each method chooses among them, and their defaults.
namespace update_parameters {

constexpr MergeParameter weight() {
  return {.name = "weight",
          .meaning = "factor of a model's update; any finite number",
          .scope = MergeParameter::Scope::kModel,
          .default_value = std::numeric_limits<double>::quiet_NaN()};
}
constexpr MergeParameter density() {
  return {.name = "density",
          .meaning = "share of a model's update that is kept",
          .scope = MergeParameter::Scope::kModel,
          .default_value = 1,
          .least = 0,
          .most = 1};
}
constexpr MergeParameter normalize(bool by_default) {
  return {.name = "normalize",
          .meaning = "divide the sum of updates by the sum of the weights that took part",
          .type = MergeParameter::Type::kFlag,
          .default_value = by_default ? 1.0 : 0.0};
}
constexpr MergeParameter lambda() {
  return {.name = "lambda", .meaning = "factor of the merged update", .default_value = 1};
}
constexpr MergeParameter int8_mask() {
  return {.name = "int8_mask",
          .meaning = "read for mergekit's sake; there it saves memory, here it changes nothing",
          .type = MergeParameter::Type::kFlag};
}

inline constexpr std::string_view kRescaleChoices[] = {
    "false", "true", "l1", "l2", "linf", "expectation"};
// `expectation`: whether the method knows with which probability an element is kept.
constexpr MergeParameter rescale(bool by_default, bool expectation) {
  return {.name = "rescale",
          .meaning =
              "what of an update is restored after dropping: its l1 (or true), l2 or linf norm"
              " in this tensor, or by division by the probability of being kept its"
              " expectation",
          .type = MergeParameter::Type::kChoice,
          .default_value = by_default ? 1.0 : 0.0,
          .choices = std::span(kRescaleChoices).first(expectation ? 6 : 5)};
}

}  // namespace update_parameters

// Whether `rescale` asks for division by the probability of being kept, which is the pruning's own
// business, as opposed to a norm, which is restored here.
bool rescale_by_expectation(const MergeParameters& parameters);

// `pruning` may be null: everything is kept. Reads `rescale`, `weight`, `normalize` and `lambda`.
void merge_updates(const TensorMerge& tensor, const Pruning* pruning, bool elect_signs, float* out);

// λ w_k, divided by the sum of the weights with `normalize`: what each model contributes where all
// updates are kept and agree in sign.
std::vector<double> update_weights(const MergeParameters& parameters);

}  // namespace demix
