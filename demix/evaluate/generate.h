// Continues prompts token by token, greedily or by drawing, many sequences side by side.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "demix/evaluate/token_choice.h"

namespace demix {

class Decoder;
class Progress;
class Tokenizer;
struct Weights;

struct GenerationRequest {
  std::string name;  // of the item, for messages
  std::vector<int32_t> prompt;
  int64_t max_tokens = 256;
  std::vector<std::string> stops;  // ends before the first of these texts
};

struct Generation {
  enum class End { kToken, kText, kLength };
  std::vector<int32_t> ids;  // without the stop token
  std::string text;          // of the ids, up to the stop text
  End end = End::kLength;
};

struct GenerateConfig {
  SamplingConfig sampling;
  int64_t sequences_per_thread = 64;
  int64_t cache_bytes = int64_t{1} << 30;  // of keys and values, all threads together
};

// One generation for each request, in order. A request's result does not depend on the others on
// the CPU in float32 and bfloat16; it is drawn from a stream of its own. Whenever sequences end,
// the next requests take their places. Throws Error naming the request when it does not fit into
// the model's positions or its logits are not finite.
std::vector<Generation> generate(std::span<const GenerationRequest> requests,
                                 std::span<const int32_t> stop_tokens,
                                 const Tokenizer& tokenizer,
                                 const Decoder& decoder,
                                 const Weights& weights,
                                 const GenerateConfig& config,
                                 Progress* progress = nullptr);

}  // namespace demix
