// What the trainer's tests share: the pico model, a folder of their own and small batches.
#pragma once

#include <vector>

#include "demix/core/rng.h"
#include "demix/corpus/stream.h"
#include "tests/pico.h"
#include "tests/temporary_folder.h"

namespace demix {

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

}  // namespace demix
