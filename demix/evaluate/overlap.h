// Benchmark items whose text stands in training data: what a model scores on them may be memory.
//
// After Brown et al. 2020 ("Language models are few-shot learners", appendix C): a text is its
// words, runs of letters, marks and digits of any script, A to Z in lower case. An item was seen
// where a row of 13 of its words (prompt and gold answer) stands in a document; one of 8 to 12
// words where all of them do. Rows that more than ten items have, such as the fixed part of a
// prompt, say nothing, nor do those with fewer than 8 words that are not numbers. Items that are
// shorter cannot be judged; where a script writes no spaces, what stands between two punctuation
// marks is a word.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "demix/evaluate/task.h"

namespace demix {

class Overlap {
 public:
  // Of prompts without examples: those are others' text.
  explicit Overlap(const std::vector<Task>& tasks);

  // By item, those of all tasks one after the other.
  using Items = std::vector<bool>;
  Items none() const { return Items(judged_.size()); }
  // Marks the items that stand in this document. Safe from several threads.
  void mark(std::string_view document, Items& seen) const;

  // How many of each task's items are marked.
  std::vector<int64_t> by_task(const Items& items) const;
  // The items that can be judged.
  const Items& judged() const { return judged_; }

 private:
  static constexpr size_t kRow = 13, kCommon = 10;
  static constexpr std::ptrdiff_t kFewest = 8;
  static constexpr int kFilterBits = 24;

  std::vector<size_t> begins_;  // of the tasks' items, and their end
  Items judged_;
  std::vector<std::pair<uint64_t, uint32_t>> rows_;  // hash of a row of words, item; sorted
  std::vector<bool> filter_;                         // by the highest bits of the hash
  std::vector<size_t> lengths_;                      // of rows
};

}  // namespace demix
