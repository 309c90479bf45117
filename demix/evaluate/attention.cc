#include "demix/evaluate/attention.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "demix/evaluate/bfloat16_block.h"
#include "demix/evaluate/bfloat16_tiles.h"
#include "demix/evaluate/product.h"
#include "demix/evaluate/softmax.h"

// Queries are taken together, a few of one key-value head; keys and values lie in panels of
// positions. T is the element type of the tensors, C that of the products.

namespace demix {
namespace {

constexpr int64_t kQueries = 16;
constexpr int64_t kPositions = kBlockColumns;  // of a panel
static_assert(kPositions == kPanelPositions);

}  // namespace

// Keys and values of one head along the current path, and what is computed from them.
template <typename C>
struct AttentionScratch::Path {
  // Positions, or inputs, that one word of a panel holds.
  static constexpr int64_t kPerWord = 4 / sizeof(C);

  int64_t dims;          // head_dim, rounded up to what products take; the rest is zero
  int64_t value_panels;  // of kBlockColumns dimensions
  Buffer<C> keys;        // [panels of positions, dims / kPerWord, kPositions, kPerWord]
  Buffer<C> values;      // [panels, value_panels, kPositions / kPerWord, kBlockColumns, kPerWord]
  Buffer<C> queries;     // [kQueries, dims]
  Buffer<float> scores;  // [panels, kQueries, kPositions]
  Buffer<C> probabilities;  // the same
  Buffer<float> mixed;      // [value_panels, kQueries, kBlockColumns]
  float inverse[kQueries];  // 1 / sum of a query's probabilities

  Path(int64_t head_dim, int64_t longest)
      : dims(round_up(head_dim, std::max(kLanes, kInputUnit<C>))),
        value_panels(round_up(dims, kBlockColumns) / kBlockColumns) {
    const int64_t panels = round_up(longest, kPositions) / kPositions;
    keys = Buffer<C>(panels * dims * kPositions);
    values = Buffer<C>(panels * value_panels * kPositions * kBlockColumns);
    queries = Buffer<C>(kQueries * dims);
    scores = Buffer<float>(panels * kQueries * kPositions);
    probabilities = Buffer<C>(panels * kQueries * kPositions);
    mixed = Buffer<float>(value_panels * kQueries * kBlockColumns);
  }
};

namespace {

template <typename C>
using Path = AttentionScratch::Path<C>;

template <typename T, typename C>
DEMIX_INLINE C converted(T value) {
  if constexpr (std::is_same_v<T, C>) {
    return value;
  } else {
    return to_float(value);
  }
}

template <typename Isa, typename T, typename C>
DEMIX_INLINE void extend_for(const Path<C>& path,
                             const Segment& segment,
                             int64_t head_dim,
                             const T* k,
                             int64_t k_stride,
                             const T* v,
                             int64_t v_stride) {
  constexpr int64_t kPerWord = Path<C>::kPerWord;
  for (int64_t i = 0; i < segment.count; ++i) {
    const int64_t position = segment.start + i;
    const int64_t panel = position / kPositions, place = position % kPositions;
    const T* key = k + (segment.row + i) * k_stride;
    C* keys = path.keys.data() + panel * path.dims * kPositions + place * kPerWord;
    for (int64_t d = 0; d < head_dim; d += kPerWord)
      for (int64_t j = 0; j < kPerWord; ++j) keys[d * kPositions + j] = converted<T, C>(key[d + j]);
    const T* value = v + (segment.row + i) * v_stride;
    for (int64_t first = 0; first < head_dim; first += kBlockColumns) {
      C* values = path.values.data() +
                  (panel * path.value_panels + first / kBlockColumns) * kPositions * kBlockColumns +
                  place / kPerWord * kPerWord * kBlockColumns + place % kPerWord;
      const int64_t count = std::min(kBlockColumns, head_dim - first);
      for (int64_t d = 0; d < count; ++d) values[d * kPerWord] = converted<T, C>(value[first + d]);
    }
  }
}

// Query j of those together is head j % group of row j / group, counted from `first`.
struct Queries {
  int64_t first, count, group;
  int64_t row(int64_t j) const { return (first + j) / group; }
  int64_t head(int64_t j) const { return (first + j) % group; }
};

template <typename Isa, typename T, typename C>
DEMIX_INLINE void gather_for(
    const Path<C>& path, const Queries& queries, int64_t head_dim, const T* q, int64_t stride) {
  for (int64_t j = 0; j < queries.count; ++j) {
    const T* from = q + queries.row(j) * stride + queries.head(j) * head_dim;
    C* to = path.queries.data() + j * path.dims;
    for (int64_t d = 0; d < head_dim; ++d) to[d] = converted<T, C>(from[d]);
  }
}

template <typename Isa, typename C>
DEMIX_INLINE void soften_for(
    Path<C>& path, const Queries& queries, int64_t start, int64_t panels, float scale) {
  for (int64_t j = 0; j < queries.count; ++j)
    path.inverse[j] = soften_scores<Isa>(path.scores.data() + j * kPositions,
                                         kQueries * kPositions,
                                         start + queries.row(j) + 1,
                                         panels,
                                         scale,
                                         path.probabilities.data() + j * kPositions);
}

template <typename Isa, typename T, typename C>
DEMIX_INLINE void scatter_for(
    const Path<C>& path, const Queries& queries, int64_t head_dim, T* out, int64_t stride) {
  for (int64_t j = 0; j < queries.count; ++j) {
    T* to = out + queries.row(j) * stride + queries.head(j) * head_dim;
    for (int64_t d = 0; d < head_dim; d += kLanes) {
      typename Isa::Floats value;
      load(path.mixed.data() + d / kBlockColumns * kQueries * kBlockColumns + j * kBlockColumns +
               d % kBlockColumns,
           value);
      value *= path.inverse[j];
      store_first<Isa>(value, head_dim - d, to + d);
    }
  }
}

#define DEMIX_FOR(T, C)                                                                            \
  DEMIX_KERNEL(extend,                                                                             \
               (const Path<C>& path,                                                               \
                const Segment& segment,                                                            \
                int64_t head_dim,                                                                  \
                const T* k,                                                                        \
                int64_t k_stride,                                                                  \
                const T* v,                                                                        \
                int64_t v_stride),                                                                 \
               (path, segment, head_dim, k, k_stride, v, v_stride))                                \
  DEMIX_KERNEL(                                                                                    \
      gather,                                                                                      \
      (const Path<C>& path, const Queries& queries, int64_t dim, const T* q, int64_t stride),      \
      (path, queries, dim, q, stride))                                                             \
  DEMIX_KERNEL(scatter,                                                                            \
               (const Path<C>& path, const Queries& queries, int64_t dim, T* out, int64_t stride), \
               (path, queries, dim, out, stride))
DEMIX_FOR(float, float)
DEMIX_FOR(BFloat16, float)
DEMIX_FOR(BFloat16, BFloat16)
#undef DEMIX_FOR
#define DEMIX_FOR(C)                                                                        \
  DEMIX_KERNEL(                                                                             \
      soften,                                                                               \
      (Path<C> & path, const Queries& queries, int64_t start, int64_t panels, float scale), \
      (path, queries, start, panels, scale))
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR

// Attention of one key-value head within one tree. Pointers are those of the head in row 0.
template <typename T, typename C>
void attend_head(std::span<const Segment> tree,
                 const AttentionInput& input,
                 const T* q,
                 const T* k,
                 const T* v,
                 T* out,
                 Path<C>& path) {
  const int64_t head_dim = input.shape.head_dim;
  const int64_t group = input.shape.heads / input.shape.kv_heads;
  const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
  for (const Segment& segment : tree) {
    const int64_t row = segment.row - input.first_row;
    extend(
        path, {row, segment.count, segment.start}, head_dim, k, input.k_stride, v, input.v_stride);
    const int64_t total = segment.count * group;
    for (int64_t first = 0; first < total; first += kQueries) {
      const Queries queries{first, std::min(kQueries, total - first), group};
      const int64_t seen = segment.start + queries.row(queries.count - 1) + 1;
      const int64_t panels = round_up(seen, kPositions) / kPositions;
      gather(path, queries, head_dim, q + row * input.q_stride, input.q_stride);
      for (int64_t p = 0; p < panels; ++p)
        multiply_block<C>({.rows = kQueries,
                           .columns = kPositions,
                           .inputs = path.dims,
                           .a = path.queries.data(),
                           .a_stride = path.dims,
                           .panel = path.keys.data() + p * path.dims * kPositions,
                           .block = path.scores.data() + p * kQueries * kPositions});
      soften(path, queries, segment.start, panels, scale);
      for (int64_t d = 0; d < path.value_panels; ++d)
        for (int64_t p = 0; p < panels; ++p)
          multiply_block<C>({.rows = kQueries,
                             .columns = std::min(kBlockColumns, path.dims - d * kBlockColumns),
                             .inputs = kPositions,
                             .a = path.probabilities.data() + p * kQueries * kPositions,
                             .a_stride = kPositions,
                             .panel = path.values.data() +
                                      (p * path.value_panels + d) * kPositions * kBlockColumns,
                             .add = p > 0,
                             .block = path.mixed.data() + d * kQueries * kBlockColumns});
      scatter(path, queries, head_dim, out + row * input.out_stride, input.out_stride);
    }
  }
}

template <typename T, typename C>
void attend(
    const AttentionInput& input, const T* q, const T* k, const T* v, T* out, Path<C>& path) {
  const auto [heads, kv_heads, head_dim] = input.shape;
  const int64_t group_width = heads / kv_heads * head_dim;
  // A tree at a time, so that its rows are still in the cache for the next head.
  for (size_t begin = 0, end; begin < input.segments.size(); begin = end) {
    end = begin + 1;
    while (end < input.segments.size() && input.segments[end].start != 0) ++end;
    const auto tree = input.segments.subspan(begin, end - begin);
    for (int64_t g = 0; g < kv_heads; ++g)
      attend_head(tree,
                  input,
                  q + g * group_width,
                  k + g * head_dim,
                  v + g * head_dim,
                  out + g * group_width,
                  path);
  }
}

}  // namespace

AttentionScratch::AttentionScratch(int64_t head_dim, int64_t longest, bool in_bfloat16) {
  if (in_bfloat16 && (has_bfloat16_tiles() || has_bfloat16_block())) {
    in_bfloat16_ = std::make_unique<Path<BFloat16>>(head_dim, longest);
  } else {
    in_float_ = std::make_unique<Path<float>>(head_dim, longest);
  }
}

AttentionScratch::~AttentionScratch() = default;

void tree_attention(const AttentionInput& input,
                    const float* q,
                    const float* k,
                    const float* v,
                    float* out,
                    AttentionScratch& scratch) {
  attend(input, q, k, v, out, *scratch.in_float_);
}

void tree_attention(const AttentionInput& input,
                    const BFloat16* q,
                    const BFloat16* k,
                    const BFloat16* v,
                    BFloat16* out,
                    AttentionScratch& scratch) {
  if (scratch.in_bfloat16_) {
    attend(input, q, k, v, out, *scratch.in_bfloat16_);
  } else {
    attend(input, q, k, v, out, *scratch.in_float_);
  }
}

}  // namespace demix
