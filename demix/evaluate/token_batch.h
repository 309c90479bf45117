// Sequences that grow token by token, side by side, each with the keys and values of what it has
// read.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "demix/core/simd.h"
#include "demix/model/decoder.h"

namespace demix {

// A prompt and the place that its sequence is to have; what was there is forgotten.
struct PlacedPrompt {
  int64_t place;
  std::span<const int32_t> ids;  // at least one
};
// The next token of the sequence at a place.
struct PlacedToken {
  int64_t place;
  int32_t token;
};

class TokenBatch {
 public:
  virtual ~TokenBatch() = default;

  // Both return the logits of what comes next, [prompts or tokens, vocabulary], valid until the
  // next call. Prompts that begin alike are read together. A place may occur once in a call.
  virtual std::span<const float> read_prompts(std::span<const PlacedPrompt> prompts) = 0;
  virtual std::span<const float> read_tokens(std::span<const PlacedToken> tokens) = 0;
};

// A model for whose sequences memory can be had.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // For one thread; valid as long as the model. At most `places` sequences at a time.
  virtual std::unique_ptr<TokenBatch> batch(int64_t places) const = 0;
  virtual int64_t bytes_per_position() const = 0;
};

// On the CPU, T float or BFloat16 as the weights are: packed products. A sequence's logits depend
// bitwise on nothing but its own tokens. Sequences have at most `positions` tokens; the weights
// must outlive the result.
template <typename T>
std::unique_ptr<TokenModel> packed_token_model(const Decoder& decoder,
                                               const Weights& weights,
                                               int64_t positions);
// On every device and in every dtype: the tensor library's operations, memory for `positions`
// tokens at every place.
std::unique_ptr<TokenModel> tensor_token_model(const Decoder& decoder,
                                               const Weights& weights,
                                               int64_t positions);

}  // namespace demix
