// What the trainer's tests share: the pico model and small batches.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "demix/core/rng.h"
#include "demix/corpus/stream.h"
#include "demix/model/architecture.h"

namespace demix {

// Two layers, width 32, 64 tokens; 4 query and 2 key-value heads.
inline Architecture pico_architecture() {
  Architecture a;
  a.vocabulary = 64;
  a.hidden = 32;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 8;
  a.intermediate = 48;
  a.max_positions = 512;
  return a;
}

// A batch whose rows hold the given documents one after the other; rows are as long as together,
// and every target counts that lies in its token's document.
inline PackedBatch packed(const std::vector<std::vector<std::vector<int32_t>>>& rows) {
  PackedBatch batch;
  for (const auto& documents : rows) {
    int64_t length = 0;
    for (const auto& document : documents) {
      const auto n = static_cast<int64_t>(document.size());
      for (int64_t t = 0; t < n; ++t) {
        batch.ids.push_back(document[t]);
        batch.begins.push_back(static_cast<int32_t>(length));
        batch.predicts.push_back(t + 1 < n);
      }
      length += n;
    }
    // The last token has no target of its own document.
    batch.ids.push_back(0);
    batch.length = length;
    ++batch.rows;
  }
  return batch;
}

inline std::vector<int32_t> random_document(Rng& rng, int64_t tokens, int64_t vocabulary) {
  std::vector<int32_t> ids(tokens);
  for (int32_t& id : ids) id = static_cast<int32_t>(rng.below(vocabulary));
  return ids;
}

// A folder of its own for each test, removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "demix-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace demix
