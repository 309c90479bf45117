// Byte-pair encoding of single words (Sennrich et al. 2016) over bytes (Radford et al. 2019).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace demix {

// Merges the pair of lowest rank, the leftmost first, until no pair of neighbours has a rank.
// Immutable and safe from several threads; each thread keeps a cache of short words (2 MiB).
class Bpe {
 public:
  struct Merge {
    int32_t left, right, result;
  };
  struct Options {
    // Id of each byte's symbol; -1 where the vocabulary lacks it. Such bytes become `unknown`, or
    // vanish when that is -1.
    std::array<int32_t, 256> byte_ids;
    int32_t unknown = -1;
    bool fuse_unknown = false;  // neighbouring unknown bytes become one
    // Words that are taken whole, without regard to merges (ignore_merges).
    std::unordered_map<std::string, int32_t> whole_words;
  };

  // `merges` by rank. Of two merges of one pair, the later holds.
  Bpe(std::span<const Merge> merges, Options options);

  // Appends the ids of `word`.
  void encode(std::string_view word, std::vector<int32_t>& ids) const;

 private:
  struct Slot {
    uint64_t pair;
    uint32_t rank;
    int32_t result;
  };

  // The merge of a pair, or null.
  const Slot* find(int32_t left, int32_t right) const;
  void encode_uncached(std::string_view word, std::vector<int32_t>& ids) const;
  void merge_few(std::vector<int32_t>& symbols) const;
  void merge_many(std::vector<int32_t>& symbols) const;

  Options options_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  int shift_;
  uint32_t serial_;  // tells the words of this object from those of others in a thread's cache
};

}  // namespace demix
