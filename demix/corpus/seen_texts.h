// Exact duplicates, in 16 bytes per text (about 32 with the table's empty places).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace demix {

// 128 bits of a text's content hash. Two texts of 10^9 share them with probability 10^-21.
using TextHash = std::pair<uint64_t, uint64_t>;

// A set of hashes by open addressing; the hashes are uniform, so their low bits choose the place.
class SeenTexts {
 public:
  // True when the text was not there before.
  bool insert(TextHash hash) {
    if (hash == kEmpty) hash.second = 1;
    if (2 * (size_ + 1) > table_.size()) grow();
    if (!place(hash)) return false;
    ++size_;
    return true;
  }

 private:
  static constexpr TextHash kEmpty = {0, 0};

  bool place(const TextHash& hash) {
    for (size_t i = hash.first & (table_.size() - 1);; i = (i + 1) & (table_.size() - 1)) {
      if (table_[i] == hash) return false;
      if (table_[i] != kEmpty) continue;
      table_[i] = hash;
      return true;
    }
  }

  void grow() {
    const auto old = std::exchange(table_, std::vector<TextHash>(2 * table_.size()));
    for (const TextHash& hash : old) {
      if (hash != kEmpty) place(hash);
    }
  }

  std::vector<TextHash> table_ = std::vector<TextHash>(1024);
  size_t size_ = 0;
};

}  // namespace demix
