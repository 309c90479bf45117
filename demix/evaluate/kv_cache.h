// Keys and values of one sequence that grows token by token, and attention to them.
//
// Positions lie in pages of kPagePositions, which serve all layers and heads. T is float or
// BFloat16. In a page a head's keys and values are panels of products (product.h), as in the
// attention of scoring: sums are float32, and of BFloat16 probabilities are rounded before they
// weigh the values.
#pragma once

#include <cstdint>
#include <vector>

#include "demix/core/simd.h"
#include "demix/evaluate/attention.h"
#include "demix/evaluate/buffer.h"

namespace demix {

constexpr int64_t kPagePositions = 64;

// Memory of one thread's calls of KvCache::attend.
template <typename T>
struct KvScratch {
  std::vector<float> sums;
  std::vector<T> inputs;
};

template <typename T>
class KvCache {
 public:
  KvCache(int64_t layers, AttentionShape shape);

  // Keys and values of one token, [kv_heads · head_dim] each. Pages are made as they are needed,
  // and written again when the cache serves the next sequence.
  void write(int64_t layer, int64_t position, const T* k, const T* v);
  // out = softmax(q kᵀ / √head_dim) v over positions [0, seen), of all heads: q and out are
  // [heads · head_dim]. Depends bitwise on nothing but these.
  void attend(int64_t layer, int64_t seen, const T* q, T* out, KvScratch<T>& scratch) const;

  static int64_t bytes_per_position(int64_t layers, AttentionShape shape);

 private:
  int64_t layers_;
  AttentionShape shape_;
  std::vector<Buffer<T>> pages_;
};

extern template class KvCache<float>;
extern template class KvCache<BFloat16>;

}  // namespace demix
