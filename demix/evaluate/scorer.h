// Scores models on tasks and on held-out text. Tokenised and planned once, used for every model.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demix/corpus/shard.h"
#include "demix/evaluate/generate.h"
#include "demix/evaluate/metrics.h"
#include "demix/evaluate/task.h"

namespace demix {

class Decoder;
class Experts;
class ScoreJournal;
class Tokenizer;
struct Weights;

struct ScorerConfig {
  int64_t tokens_per_pass = 4096;  // packed tokens per forward pass; results do not depend on it
  int64_t max_length = 0;  // longer requests are cut from the left; 0: the model's max_positions
  GenerateConfig generate;
  uint64_t seed = 1;                // of answers that are drawn
  std::vector<int32_t> end_tokens;  // end answers, beside the tokenizer's and the architecture's
};

// Log-likelihoods of all items of `tasks` and all documents of the held-out shards, planned once:
// contexts shared by several continuations are computed once, sequences are packed without padding,
// logits are computed only where an answer is read. The score of an item is bitwise the same
// whatever else is in its batch (on the CPU): products run on tiles of a fixed number of rows,
// attention runs per item. Answers are then generated and judged for the tasks that ask for it
// (answers.h).
class Scorer {
 public:
  struct HeldOut {
    std::string dataset;
    Shard shard;
    // Documents from the start of the shard up to this many tokens. Where those would be less than
    // half as many, the next one's beginning too.
    int64_t max_tokens;
    // Of these the only ones wanted, by number, ascending; empty: all.
    std::vector<int64_t> only = {};
  };
  Scorer(std::vector<Task> tasks,
         std::vector<HeldOut> held_out,
         const Tokenizer& tokenizer,
         const Decoder& decoder,
         const ScorerConfig& config);
  ~Scorer();

  // Throws Error naming task, item and layer when a score is not finite. `live`: with progress on
  // standard error. `samples` receives the items' scores if not null, `terms` what each item and
  // document adds to each metric. `journal`, if not null, has the items that an interrupted
  // evaluation of this model finished, and receives the others while they are finished; the result
  // is the same.
  Scores score(const Weights& weights,
               bool live,
               std::vector<ItemScore>* samples = nullptr,
               TermsByMetric* terms = nullptr,
               ScoreJournal* journal = nullptr) const;

  // The log-likelihood of every token whose log-likelihood is asked for, in an order of the
  // scorer's own: what mixtures of models' probabilities are computed from.
  std::vector<float> token_log_likelihoods(const Weights& weights) const;
  // The scores of a mixture of models, of whose token log-likelihoods `experts` are made: nothing
  // is run. What needs the likeliest token or a generated answer has no value and is left out.
  // Throws Error as `score` does.
  Scores mixed_score(const Experts& experts,
                     std::span<const double> weights,
                     TermsByMetric* terms = nullptr) const;

  // Tokens computed per call of `score`, and floating-point operations of their products.
  int64_t tokens() const;
  double flops() const;
  // Identifies tasks, held-out text, tokenizer and scoring version: with weights_hash the key of a
  // score.
  const std::string& hash() const;
  // The same of each task and held-out text alone: equal hashes under one name are equal scores of
  // equal weights, whatever else is scored beside them.
  const std::map<std::string, std::string>& task_hashes() const;
  // Of all tasks together, for cost accounting.
  int64_t items() const;
  // Documents of a dataset's held-out text.
  int64_t documents(const std::string& dataset) const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace demix
