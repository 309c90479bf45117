#include "demix/evaluate/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "demix/evaluate/bfloat16_block.h"
#include "demix/evaluate/product.h"
#include "demix/evaluate/softmax.h"

namespace demix {
namespace {

// Queries whose scores are summed together, and the vectors that a page's row of scores has.
constexpr int64_t kQueries = 4;
constexpr int64_t kVectors = kPagePositions / kLanes;

static_assert(kPagePositions == kBlockColumns && kPagePositions == kPanelPositions);

// Whether pages are panels of products of pairs.
template <typename T>
bool in_pairs() {
  return std::is_same_v<T, BFloat16> && has_bfloat16_block();
}

// Elements of one head's keys (or values) in a page; values are padded to whole vectors, in panels
// both, and values to whole panels.
template <typename T>
int64_t key_elements(int64_t head_dim) {
  return (in_pairs<T>() ? round_up(head_dim, kLanes) : head_dim) * kPagePositions;
}
template <typename T>
int64_t value_elements(int64_t head_dim) {
  return round_up(head_dim, in_pairs<T>() ? kBlockColumns : kLanes) * kPagePositions;
}

template <typename T>
int64_t page_elements(int64_t layers, AttentionShape shape) {
  return layers * shape.kv_heads *
         (key_elements<T>(shape.head_dim) + value_elements<T>(shape.head_dim));
}

// One key-value head's pages and the queries that look at it.
template <typename T>
struct HeadView {
  const Buffer<T>* pages;
  int64_t offset;  // of the head's keys in each page; its values follow them
  int64_t head_dim, seen, queries;
  const T* q;      // [queries, head_dim]
  T* out;          // the same
  float* scaled;   // [kQueries, head_dim]
  float* weights;  // [kQueries, round_up(seen, kPagePositions)]
  int64_t weights_stride;
};

// weights = q kᵀ of kQueries queries, page by page.
template <typename Isa, typename T>
DEMIX_INLINE void score(const HeadView<T>& head) {
  for (int64_t page = 0; page * kPagePositions < head.seen; ++page) {
    const T* keys = head.pages[page].data() + head.offset;
    Floats sums[kQueries][kVectors] = {};
    for (int64_t d = 0; d < head.head_dim; ++d) {
      for (int64_t v = 0; v < kVectors; ++v) {
        Floats key;
        Isa::load(keys + d * kPagePositions + v * kLanes, key);
        for (int64_t j = 0; j < kQueries; ++j)
          sums[j][v] += head.scaled[j * head.head_dim + d] * key;
      }
    }
    for (int64_t j = 0; j < kQueries; ++j)
      for (int64_t v = 0; v < kVectors; ++v)
        store(sums[j][v],
              head.weights + j * head.weights_stride + page * kPagePositions + v * kLanes);
  }
}

// out = weights · values · inverse.
template <typename Isa, typename T>
DEMIX_INLINE void mix(const HeadView<T>& head, const float* inverse) {
  const int64_t row = round_up(head.head_dim, kLanes);
  for (int64_t first = 0; first < row; first += kVectors * kLanes) {
    const int64_t vectors = std::min(kVectors, (row - first) / kLanes);
    Floats sums[kQueries][kVectors] = {};
    for (int64_t position = 0; position < head.seen; ++position) {
      const T* values = head.pages[position / kPagePositions].data() + head.offset +
                        key_elements<T>(head.head_dim) + position % kPagePositions * row + first;
      for (int64_t v = 0; v < kVectors; ++v) {
        if (v == vectors) break;
        Floats value;
        Isa::load(values + v * kLanes, value);
        for (int64_t j = 0; j < kQueries; ++j)
          sums[j][v] += head.weights[j * head.weights_stride + position] * value;
      }
    }
    for (int64_t j = 0; j < head.queries; ++j) {
      for (int64_t v = 0; v < vectors; ++v) {
        T lanes[kLanes];
        Isa::store(sums[j][v] * inverse[j], lanes);
        const int64_t at = first + v * kLanes;
        std::copy(
            lanes, lanes + std::min(kLanes, head.head_dim - at), head.out + j * head.head_dim + at);
      }
    }
  }
}

template <typename Isa, typename T>
DEMIX_INLINE void attend_to_head_for(const HeadView<T>& head) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.head_dim));
  for (int64_t i = 0; i < kQueries * head.head_dim; ++i)
    head.scaled[i] = i < head.queries * head.head_dim ? to_float(head.q[i]) * scale : 0;
  score<Isa>(head);
  float inverse[kQueries] = {};
  const int64_t pages = round_up(head.seen, kPagePositions) / kPagePositions;
  for (int64_t j = 0; j < head.queries; ++j) {
    float* weights = head.weights + j * head.weights_stride;
    inverse[j] = soften_scores<Isa>(weights, kPagePositions, head.seen, pages, 1, weights);
  }
  mix<Isa>(head, inverse);
}

DEMIX_KERNEL(attend_to_head, (const HeadView<float>& head), (head))
DEMIX_KERNEL(attend_to_head, (const HeadView<BFloat16>& head), (head))

// The same by products of pairs. All queries of a head together: `scores` and `probabilities` are
// [pages, queries, kPagePositions], `mixed` [panels of values, queries, kBlockColumns].
struct PairedView {
  int64_t seen, queries, head_dim;
  float* scores;
  BFloat16* probabilities;
  float* mixed;
  BFloat16* out;
};

template <typename Isa>
DEMIX_INLINE void soften_pairs_for(const PairedView& head, int64_t pages, float* inverse) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.head_dim));
  for (int64_t j = 0; j < head.queries; ++j)
    inverse[j] = soften_scores<Isa>(head.scores + j * kPagePositions,
                                    head.queries * kPagePositions,
                                    head.seen,
                                    pages,
                                    scale,
                                    head.probabilities + j * kPagePositions);
}

template <typename Isa>
DEMIX_INLINE void scatter_pairs_for(const PairedView& head, const float* inverse) {
  for (int64_t j = 0; j < head.queries; ++j) {
    for (int64_t d = 0; d < head.head_dim; d += kLanes) {
      Floats value;
      load(head.mixed + (d / kBlockColumns * head.queries + j) * kBlockColumns + d % kBlockColumns,
           value);
      value *= inverse[j];
      BFloat16 lanes[kLanes];
      Isa::store(value, lanes);
      std::copy(
          lanes, lanes + std::min(kLanes, head.head_dim - d), head.out + j * head.head_dim + d);
    }
  }
}

DEMIX_KERNEL(soften_pairs,
             (const PairedView& head, int64_t pages, float* inverse),
             (head, pages, inverse))
DEMIX_KERNEL(scatter_pairs, (const PairedView& head, const float* inverse), (head, inverse))

void attend_in_pairs(const Buffer<BFloat16>* pages,
                     int64_t offset,
                     int64_t seen,
                     int64_t queries,
                     int64_t head_dim,
                     const BFloat16* q,
                     BFloat16* out,
                     KvScratch& scratch) {
  const int64_t count = round_up(seen, kPagePositions) / kPagePositions;
  const int64_t dims = round_up(head_dim, kLanes),
                panels = round_up(dims, kBlockColumns) / kBlockColumns;
  const int64_t scores = count * queries * kPagePositions;
  scratch.floats.resize(static_cast<size_t>(scores + panels * queries * kBlockColumns + queries));
  scratch.halves.resize(static_cast<size_t>(scores + queries * dims));
  const PairedView head{seen,
                        queries,
                        head_dim,
                        scratch.floats.data(),
                        scratch.halves.data(),
                        scratch.floats.data() + scores,
                        out};
  float* inverse = head.mixed + panels * queries * kBlockColumns;
  if (dims != head_dim) {
    BFloat16* padded = scratch.halves.data() + scores;
    for (int64_t j = 0; j < queries; ++j) {
      std::copy_n(q + j * head_dim, head_dim, padded + j * dims);
      std::fill_n(padded + j * dims + head_dim, dims - head_dim, BFloat16{0});
    }
    q = padded;
  }
  for (int64_t page = 0; page < count; ++page)
    multiply_bfloat16_block(queries,
                            kPagePositions,
                            dims,
                            q,
                            dims,
                            pages[page].data() + offset,
                            false,
                            head.scores + page * queries * kPagePositions);
  soften_pairs(head, count, inverse);
  for (int64_t panel = 0; panel < panels; ++panel)
    for (int64_t page = 0; page < count; ++page)
      multiply_bfloat16_block(queries,
                              std::min(kBlockColumns, dims - panel * kBlockColumns),
                              kPagePositions,
                              head.probabilities + page * queries * kPagePositions,
                              kPagePositions,
                              pages[page].data() + offset + key_elements<BFloat16>(head_dim) +
                                  panel * kPagePositions * kBlockColumns,
                              page > 0,
                              head.mixed + panel * queries * kBlockColumns);
  scatter_pairs(head, inverse);
}

}  // namespace

template <typename T>
KvCache<T>::KvCache(int64_t layers, AttentionShape shape) : layers_(layers), shape_(shape) {}

template <typename T>
void KvCache<T>::write(int64_t layer, int64_t position, const T* k, const T* v) {
  const auto page = static_cast<size_t>(position / kPagePositions);
  while (pages_.size() <= page) pages_.emplace_back(page_elements<T>(layers_, shape_));
  const int64_t d = shape_.head_dim, row = round_up(d, kLanes), place = position % kPagePositions;
  const bool pairs = in_pairs<T>();
  T* head = pages_[page].data() + layer * page_elements<T>(1, shape_);
  for (int64_t g = 0; g < shape_.kv_heads; ++g, k += d, v += d) {
    T* values = head + key_elements<T>(d);
    if (pairs) {
      for (int64_t i = 0; i < d; ++i) head[(i / 2 * kPagePositions + place) * 2 + i % 2] = k[i];
      for (int64_t i = 0; i < d; ++i)
        values[(i / kBlockColumns * kPagePositions + place / 2 * 2) * kBlockColumns +
               i % kBlockColumns * 2 + place % 2] = v[i];
    } else {
      for (int64_t i = 0; i < d; ++i) head[i * kPagePositions + place] = k[i];
      std::copy_n(v, d, values + place * row);
    }
    head = values + value_elements<T>(d);
  }
}

template <typename T>
void KvCache<T>::attend(int64_t layer, int64_t seen, const T* q, T* out, KvScratch& scratch) const {
  const int64_t d = shape_.head_dim, group = shape_.heads / shape_.kv_heads;
  const int64_t padded = round_up(seen, kPagePositions);
  for (int64_t g = 0; g < shape_.kv_heads; ++g) {
    const int64_t offset =
        layer * page_elements<T>(1, shape_) + g * (key_elements<T>(d) + value_elements<T>(d));
    const int64_t first_head = g * group;
    if constexpr (std::is_same_v<T, BFloat16>) {
      if (in_pairs<T>()) {
        attend_in_pairs(pages_.data(),
                        offset,
                        seen,
                        group,
                        d,
                        q + first_head * d,
                        out + first_head * d,
                        scratch);
        continue;
      }
    }
    scratch.floats.resize(static_cast<size_t>(kQueries * (d + padded)));
    for (int64_t first = 0; first < group; first += kQueries) {
      const int64_t head = first_head + first;
      attend_to_head(HeadView<T>{.pages = pages_.data(),
                                 .offset = offset,
                                 .head_dim = d,
                                 .seen = seen,
                                 .queries = std::min(kQueries, group - first),
                                 .q = q + head * d,
                                 .out = out + head * d,
                                 .scaled = scratch.floats.data(),
                                 .weights = scratch.floats.data() + kQueries * d,
                                 .weights_stride = padded});
    }
  }
}

template <typename T>
int64_t KvCache<T>::bytes_per_position(int64_t layers, AttentionShape shape) {
  return page_elements<T>(layers, shape) / kPagePositions * static_cast<int64_t>(sizeof(T));
}

template class KvCache<float>;
template class KvCache<BFloat16>;

}  // namespace demix
