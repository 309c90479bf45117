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
// of data order that they share cancels between their models. Which dataset gives row r is decided
// by the largest deficit of mixture[i] * r against the rows given so far: after any number of rows
// every dataset is within one row of its share, and no small weight rounds to nothing. Row r is a
// function of (seed, mixture, r) alone.
class MixedStream {
 public:
  struct Source {
    std::string name;
    Shard shard;
    double weight;  // token share; weights sum to one; zero is allowed
  };
  MixedStream(std::vector<Source> sources, uint64_t seed, int64_t length);
  ~MixedStream();
  MixedStream(MixedStream&&) noexcept;

  PackedBatch next(int64_t rows);
  // Moves to row `row`, forwards or backwards.
  void seek(int64_t row);
  int64_t row() const;
  Consumed consumed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace demix
