// Log-likelihoods of planned passes on the CPU: packed layers (packed_layers.h) with attention over
// trees (attention.h), and at the answers a fused output projection and log-softmax.
//
// A token's results depend bitwise on nothing but its own sequence and the weights.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "demix/evaluate/plan.h"
#include "demix/model/decoder.h"

namespace demix {

// Adds a pass's answers to `slots`, on the calling thread alone.
using ScorePass = std::function<void(const Pass& pass, std::vector<AnswerScore>& slots)>;

// A model whose weights are copied once into the layout of products.
class PackedModel {
 public:
  virtual ~PackedModel() = default;
  // With memory of its own, for one thread; valid as long as the model.
  virtual ScorePass scorer() const = 0;
};

// Packs float32 or bfloat16 weights on the CPU, which must outlive the result, with as many threads
// as ATen uses. Sequences have at most `positions` tokens.
std::unique_ptr<PackedModel> pack_model(const Decoder& decoder,
                                        const Weights& weights,
                                        int64_t positions);

}  // namespace demix
