// Continues prompts token by token, greedily or by drawing, many sequences side by side.
#pragma once

#include <cstdint>
#include <functional>
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
  std::string name;  // of the item: for messages, and for what is drawn
  std::vector<int32_t> prompt;
  int64_t max_tokens = 256;
  std::vector<std::string> stops;  // ends before the first of these texts
  SamplingConfig sampling;
  int64_t answer = 0;  // which of the item's answers: others are drawn otherwise
};

struct Generation {
  enum class End { kToken, kText, kLength };
  std::vector<int32_t> ids;  // without the stop token
  std::string text;          // of the ids, up to the stop text
  End end = End::kLength;
};

struct GenerateConfig {
  int64_t sequences_per_thread = 64;
  int64_t cache_bytes = int64_t{1} << 30;  // of keys and values, all threads together
};

// Told of each answer when it is finished, by several threads.
using OnAnswer = std::function<void(size_t request, const Generation& answer)>;

// One generation for each request, in order. A request's result does not depend on the others on
// the CPU in float32 and bfloat16; it is drawn from a stream of its own, by its name and answer.
// Whenever sequences end, the next requests take their places. Throws Error naming the request when
// it does not fit into the model's positions or its logits are not finite.
std::vector<Generation> generate(std::span<const GenerationRequest> requests,
                                 std::span<const int32_t> stop_tokens,
                                 const Tokenizer& tokenizer,
                                 const Decoder& decoder,
                                 const Weights& weights,
                                 const GenerateConfig& config,
                                 Progress* progress = nullptr,
                                 const OnAnswer& on_answer = {});

}  // namespace demix
