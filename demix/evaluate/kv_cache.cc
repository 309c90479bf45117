#include "demix/evaluate/kv_cache.h"

#include <algorithm>
#include <cmath>

namespace demix {
namespace {

// Queries whose scores are summed together, and the vectors that a page's row of scores has.
constexpr int64_t kQueries = 4;
constexpr int64_t kVectors = kPagePositions / kLanes;

// Elements of one head's keys (or values) in a page; values are padded to whole vectors.
int64_t key_elements(int64_t head_dim) { return head_dim * kPagePositions; }
int64_t value_elements(int64_t head_dim) { return round_up(head_dim, kLanes) * kPagePositions; }

int64_t page_elements(int64_t layers, AttentionShape shape) {
  return layers * shape.kv_heads * (key_elements(shape.head_dim) + value_elements(shape.head_dim));
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

// exp(score - largest) at the positions seen, zero behind them. Returns 1 / their sum.
template <typename Isa>
DEMIX_INLINE float soften(float* weights, int64_t seen, int64_t padded) {
  Floats lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = static_cast<float>(i);
  const Floats lowest = Floats{} - INFINITY;
  Floats largest = lowest, x;
  for (int64_t at = 0; at < seen; at += kLanes) {
    load(weights + at, x);
    x = lane < static_cast<float>(seen - at) ? x : lowest;
    largest = x > largest ? x : largest;
  }
  const float top = largest_of(largest);
  Floats sum = {};
  for (int64_t at = 0; at < padded; at += kLanes) {
    if (at >= seen) {
      store(Floats{}, weights + at);
      continue;
    }
    load(weights + at, x);
    x -= top;
    Isa::exponentiate(x);
    x = lane < static_cast<float>(seen - at) ? x : Floats{};
    sum += x;
    store(x, weights + at);
  }
  return 1 / sum_of(sum);
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
                        key_elements(head.head_dim) + position % kPagePositions * row + first;
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
  const int64_t padded = round_up(head.seen, kPagePositions);
  for (int64_t j = 0; j < head.queries; ++j)
    inverse[j] = soften<Isa>(head.weights + j * head.weights_stride, head.seen, padded);
  mix<Isa>(head, inverse);
}

DEMIX_KERNEL(attend_to_head, (const HeadView<float>& head), (head))
DEMIX_KERNEL(attend_to_head, (const HeadView<BFloat16>& head), (head))

}  // namespace

template <typename T>
KvCache<T>::KvCache(int64_t layers, AttentionShape shape) : layers_(layers), shape_(shape) {}

template <typename T>
void KvCache<T>::write(int64_t layer, int64_t position, const T* k, const T* v) {
  const auto page = static_cast<size_t>(position / kPagePositions);
  while (pages_.size() <= page) pages_.emplace_back(page_elements(layers_, shape_));
  const int64_t d = shape_.head_dim, row = round_up(d, kLanes), place = position % kPagePositions;
  T* head = pages_[page].data() + layer * page_elements(1, shape_);
  for (int64_t g = 0; g < shape_.kv_heads; ++g) {
    for (int64_t i = 0; i < d; ++i) head[i * kPagePositions + place] = k[g * d + i];
    head += key_elements(d);
    std::copy_n(v + g * d, d, head + place * row);
    head += value_elements(d);
  }
}

template <typename T>
void KvCache<T>::attend(
    int64_t layer, int64_t seen, const T* q, T* out, std::vector<float>& scratch) const {
  const int64_t d = shape_.head_dim, group = shape_.heads / shape_.kv_heads;
  const int64_t padded = round_up(seen, kPagePositions);
  scratch.resize(static_cast<size_t>(kQueries * (d + padded)));
  for (int64_t g = 0; g < shape_.kv_heads; ++g) {
    for (int64_t first = 0; first < group; first += kQueries) {
      const int64_t head = g * group + first;
      attend_to_head(HeadView<T>{
          .pages = pages_.data(),
          .offset = layer * page_elements(1, shape_) + g * (key_elements(d) + value_elements(d)),
          .head_dim = d,
          .seen = seen,
          .queries = std::min(kQueries, group - first),
          .q = q + head * d,
          .out = out + head * d,
          .scaled = scratch.data(),
          .weights = scratch.data() + kQueries * d,
          .weights_stride = padded});
    }
  }
}

template <typename T>
int64_t KvCache<T>::bytes_per_position(int64_t layers, AttentionShape shape) {
  return page_elements(layers, shape) / kPagePositions * static_cast<int64_t>(sizeof(T));
}

template class KvCache<float>;
template class KvCache<BFloat16>;

}  // namespace demix
