#include "demix/evaluate/kv_cache.h"

#include <algorithm>
#include <cmath>

#include "demix/evaluate/bfloat16_block.h"
#include "demix/evaluate/softmax.h"
#include "demix/evaluate/vector_block.h"

namespace demix {
namespace {

static_assert(kPagePositions == kBlockColumns && kPagePositions == kPanelPositions);

// Inputs, or positions, that a word of a panel holds.
template <typename T>
constexpr int64_t kPerWord = 4 / sizeof(T);

// What a head has in a page: keys are padded to whole vectors, values to whole panels.
int64_t key_dims(int64_t head_dim) { return round_up(head_dim, kLanes); }
int64_t key_elements(int64_t head_dim) { return key_dims(head_dim) * kPagePositions; }
int64_t value_elements(int64_t head_dim) {
  return round_up(head_dim, kBlockColumns) * kPagePositions;
}
int64_t page_elements(int64_t layers, AttentionShape shape) {
  return layers * shape.kv_heads * (key_elements(shape.head_dim) + value_elements(shape.head_dim));
}

void multiply(const BlockProduct<float>& product) { multiply_vector_block(product); }
void multiply(const BlockProduct<BFloat16>& product) { multiply_bfloat16_block(product); }

// One key-value head and all queries that look at it. `scores` and `probabilities` are [pages,
// queries, kPagePositions], `mixed` [panels of values, queries, kBlockColumns].
template <typename T>
struct HeadView {
  int64_t seen, queries, head_dim;
  float* scores;
  T* probabilities;
  float* mixed;
  T* out;
};

template <typename Isa, typename T>
DEMIX_INLINE void soften_for(const HeadView<T>& head, int64_t pages, float* inverse) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.head_dim));
  for (int64_t j = 0; j < head.queries; ++j)
    inverse[j] = soften_scores<Isa>(head.scores + j * kPagePositions,
                                    head.queries * kPagePositions,
                                    head.seen,
                                    pages,
                                    scale,
                                    head.probabilities + j * kPagePositions);
}

template <typename Isa, typename T>
DEMIX_INLINE void scatter_for(const HeadView<T>& head, const float* inverse) {
  for (int64_t j = 0; j < head.queries; ++j) {
    for (int64_t d = 0; d < head.head_dim; d += kLanes) {
      typename Isa::Floats value;
      load(head.mixed + (d / kBlockColumns * head.queries + j) * kBlockColumns + d % kBlockColumns,
           value);
      value *= inverse[j];
      store_first<Isa>(value, head.head_dim - d, head.out + j * head.head_dim + d);
    }
  }
}

#define DEMIX_FOR(T)                                                                            \
  DEMIX_KERNEL(                                                                                 \
      soften, (const HeadView<T>& head, int64_t pages, float* inverse), (head, pages, inverse)) \
  DEMIX_KERNEL(scatter, (const HeadView<T>& head, const float* inverse), (head, inverse))
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR

// `offset` is that of the head's keys in each page; its values follow them.
template <typename T>
void attend_to_head(const Buffer<T>* pages,
                    int64_t offset,
                    int64_t seen,
                    int64_t queries,
                    int64_t head_dim,
                    const T* q,
                    T* out,
                    KvScratch<T>& scratch) {
  const int64_t count = round_up(seen, kPagePositions) / kPagePositions;
  const int64_t dims = key_dims(head_dim), panels = round_up(dims, kBlockColumns) / kBlockColumns;
  const int64_t scores = count * queries * kPagePositions;
  scratch.sums.resize(static_cast<size_t>(scores + panels * queries * kBlockColumns + queries));
  scratch.inputs.resize(static_cast<size_t>(scores + queries * dims));
  const HeadView<T> head{seen,
                         queries,
                         head_dim,
                         scratch.sums.data(),
                         scratch.inputs.data(),
                         scratch.sums.data() + scores,
                         out};
  float* inverse = head.mixed + panels * queries * kBlockColumns;
  if (dims != head_dim) {
    T* padded = scratch.inputs.data() + scores;
    for (int64_t j = 0; j < queries; ++j) {
      std::copy_n(q + j * head_dim, head_dim, padded + j * dims);
      std::fill_n(padded + j * dims + head_dim, dims - head_dim, T{0});
    }
    q = padded;
  }
  for (int64_t page = 0; page < count; ++page)
    multiply(BlockProduct<T>{.rows = queries,
                             .columns = kPagePositions,
                             .inputs = dims,
                             .a = q,
                             .a_stride = dims,
                             .panel = pages[page].data() + offset,
                             .block = head.scores + page * queries * kPagePositions});
  soften(head, count, inverse);
  for (int64_t panel = 0; panel < panels; ++panel)
    for (int64_t page = 0; page < count; ++page)
      multiply(BlockProduct<T>{.rows = queries,
                               .columns = std::min(kBlockColumns, dims - panel * kBlockColumns),
                               .inputs = kPagePositions,
                               .a = head.probabilities + page * queries * kPagePositions,
                               .a_stride = kPagePositions,
                               .panel = pages[page].data() + offset + key_elements(head_dim) +
                                        panel * kPagePositions * kBlockColumns,
                               .add = page > 0,
                               .block = head.mixed + panel * queries * kBlockColumns});
  scatter(head, inverse);
}

}  // namespace

template <typename T>
KvCache<T>::KvCache(int64_t layers, AttentionShape shape) : layers_(layers), shape_(shape) {}

template <typename T>
void KvCache<T>::write(int64_t layer, int64_t position, const T* k, const T* v) {
  constexpr int64_t kWord = kPerWord<T>;
  const auto page = static_cast<size_t>(position / kPagePositions);
  while (pages_.size() <= page) pages_.emplace_back(page_elements(layers_, shape_));
  const int64_t d = shape_.head_dim, place = position % kPagePositions;
  T* head = pages_[page].data() + layer * page_elements(1, shape_);
  for (int64_t g = 0; g < shape_.kv_heads; ++g, k += d, v += d) {
    for (int64_t i = 0; i < d; ++i)
      head[(i / kWord * kPagePositions + place) * kWord + i % kWord] = k[i];
    T* values = head + key_elements(d);
    for (int64_t i = 0; i < d; ++i)
      values[(i / kBlockColumns * kPagePositions + place / kWord * kWord) * kBlockColumns +
             i % kBlockColumns * kWord + place % kWord] = v[i];
    head = values + value_elements(d);
  }
}

template <typename T>
void KvCache<T>::attend(
    int64_t layer, int64_t seen, const T* q, T* out, KvScratch<T>& scratch) const {
  const int64_t d = shape_.head_dim, group = shape_.heads / shape_.kv_heads;
  for (int64_t g = 0; g < shape_.kv_heads; ++g) {
    const int64_t offset =
        layer * page_elements(1, shape_) + g * (key_elements(d) + value_elements(d));
    const int64_t first = g * group * d;
    attend_to_head(pages_.data(), offset, seen, group, d, q + first, out + first, scratch);
  }
}

template <typename T>
int64_t KvCache<T>::bytes_per_position(int64_t layers, AttentionShape shape) {
  return page_elements(layers, shape) / kPagePositions * static_cast<int64_t>(sizeof(T));
}

template class KvCache<float>;
template class KvCache<BFloat16>;

}  // namespace demix
