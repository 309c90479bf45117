// The mixed training stream: rows of tokens drawn from several datasets by token share.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demix/core/rng.h"
#include "demix/corpus/shard.h"

namespace demix {

// B rows of T + 1 tokens: inputs are columns [0, T), targets columns [1, T + 1).
struct PackedBatch {
  int64_t rows = 0;
  int64_t length = 0;        // T
  std::vector<int32_t> ids;  // [B, T + 1]
  // For every input, the column at which its document begins in this row: attention reaches back to
  // that column and no further, and positions count from it.
  std::vector<int32_t> begins;  // [B, T]
  // False where the target belongs to another document and is not its separator (see shard.h).
  std::vector<uint8_t> predicts;  // [B, T]
};

struct Consumed {
  std::vector<int64_t> tokens;  // per dataset, inputs drawn
  std::vector<double> epochs;   // tokens / tokens of the dataset
};

// Every row comes from one dataset, whose documents are read in an order shuffled anew each epoch
// by (seed, dataset name): so two mixtures read the same dataset in the same order, and the noise
// of data order that they share cancels between their models. Row r goes to the dataset whose next
// row is due first, (given + 1) / weight, among those with fewer rows than weight * (r + 1): then
// after any number of rows every dataset is within one row of its share (this is a P-fair schedule,
// for which earliest deadline first is exact; the largest deficit first is not), and no small
// weight rounds to nothing. Row r is a function of (seed, mixture, r) alone; ties go to the source
// named first.
class MixedStream {
 public:
  struct Source {
    std::string name;
    Shard shard;
    double weight;  // token share; weights sum to one; zero is allowed
  };
  // Throws Error when weights are no mixture, a source with weight is empty, or the shards come
  // from different tokenizers. `length` is T.
  MixedStream(std::vector<Source> sources, uint64_t seed, int64_t length);
  ~MixedStream();
  MixedStream(MixedStream&&) noexcept;
  MixedStream& operator=(MixedStream&&) noexcept;

  PackedBatch next(int64_t rows);
  // Moves to row `row`, forwards or backwards. Reads no tokens: costs the schedule of the rows and,
  // per dataset, one pass over the lengths of its documents.
  void seek(int64_t row);
  int64_t row() const;
  Consumed consumed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace demix
