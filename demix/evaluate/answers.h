// The answers that tasks let a model write: planned once, generated and judged for every model.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "demix/evaluate/generate.h"
#include "demix/evaluate/metrics.h"
#include "demix/evaluate/task.h"

namespace demix {

class Decoder;
class Hasher;
class ScoreJournal;
class Tokenizer;
struct Weights;

// What an answer may have of the positions that a model reads, given the prompt's tokens. As in
// lm-evaluation-harness: all of `max_tokens`, for which the prompt is cut from the left. Where that
// would leave nothing of it, which the harness refuses: the prompt keeps up to half of the
// positions, and the answer has the rest.
struct AnswerRoom {
  int64_t prompt_tokens;  // at most
  int64_t answer_tokens;
};
AnswerRoom answer_room(int64_t prompt_tokens, int64_t max_tokens, int64_t positions);

class AnswerPlan {
 public:
  // Answers end at `stop_tokens`; `seed` is of what is drawn.
  AnswerPlan(std::vector<int32_t> stop_tokens, uint64_t seed)
      : stop_tokens_(std::move(stop_tokens)), seed_(seed) {}

  // Adds the answers of a task that generates, for a model that reads `positions` tokens. Warns
  // where prompts or answers must be shorter than the task has them. Throws Error where the judge
  // cannot work here.
  void add(const Task& task, const Tokenizer& tokenizer, int64_t positions);

  bool empty() const { return requests_.empty(); }
  const std::vector<GenerationRequest>& requests() const { return requests_; }
  const std::vector<int32_t>& stop_tokens() const { return stop_tokens_; }
  // What the results depend on beside tasks, tokenizer and positions.
  void add_to(Hasher& hasher) const;

  // By task, then item. `journal`, if not null, has the answers that an earlier run finished and
  // receives the others.
  std::map<std::string, std::vector<std::vector<JudgedAnswer>>> answers(
      const std::vector<Task>& tasks,
      const Tokenizer& tokenizer,
      const Decoder& decoder,
      const Weights& weights,
      const GenerateConfig& config,
      bool live,
      ScoreJournal* journal) const;

 private:
  std::vector<std::string> generated(const Tokenizer& tokenizer,
                                     const Decoder& decoder,
                                     const Weights& weights,
                                     const GenerateConfig& config,
                                     bool live,
                                     ScoreJournal* journal) const;
  std::string key_of(const GenerationRequest& request, const Tokenizer& tokenizer) const;

  std::vector<int32_t> stop_tokens_;
  uint64_t seed_;
  // Of one task after those of another, the answers of one item together.
  std::vector<GenerationRequest> requests_;
};

}  // namespace demix
