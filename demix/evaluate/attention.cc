#include "demix/evaluate/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace demix {
namespace {

// Queries computed together: enough independent sums to keep the processor's multipliers busy.
constexpr int64_t kQueries = 8;

// Keys and values of one head along the current path, in float32. Keys lie in blocks of kLanes
// keys, transposed, so that a vector holds one dimension of all keys of a block.
struct Path {
  int64_t dims;                // head_dim rounded up to whole vectors; padding is zero
  std::vector<float> keys;     // [blocks, dims, kLanes]
  std::vector<float> values;   // [positions, dims]
  std::vector<float> queries;  // [kQueries, dims]
  std::vector<float> weights;  // [kQueries, positions]
  int64_t positions;           // rounded up to whole vectors

  Path(int64_t head_dim, int64_t longest)
      : dims((head_dim + kLanes - 1) / kLanes * kLanes),
        positions((longest + kLanes - 1) / kLanes * kLanes) {
    keys.resize(static_cast<size_t>(positions * dims));
    values.resize(static_cast<size_t>(positions * dims));
    queries.resize(static_cast<size_t>(kQueries * dims));
    weights.resize(static_cast<size_t>(kQueries * positions));
  }
};

template <typename T>
DEMIX_INLINE void extend_path(Path& path,
                              const Segment& segment,
                              int64_t head_dim,
                              const T* k,
                              int64_t k_stride,
                              const T* v,
                              int64_t v_stride) {
  for (int64_t i = 0; i < segment.count; ++i) {
    const int64_t position = segment.start + i;
    const T* key = k + (segment.row + i) * k_stride;
    const T* value = v + (segment.row + i) * v_stride;
    float* to = path.keys.data() + position / kLanes * path.dims * kLanes + position % kLanes;
    for (int64_t d = 0; d < head_dim; ++d) to[d * kLanes] = to_float(key[d]);
    float* values = path.values.data() + position * path.dims;
    for (int64_t d = 0; d < head_dim; ++d) values[d] = to_float(value[d]);
  }
}

// weights[q][p] = q · k_p / √head_dim for all positions p of the first `blocks` blocks.
DEMIX_INLINE void score(Path& path, int64_t blocks, float scale) {
  for (int64_t block = 0; block < blocks; ++block) {
    Floats sums[kQueries] = {};
    const float* keys = path.keys.data() + block * path.dims * kLanes;
    for (int64_t d = 0; d < path.dims; ++d) {
      Floats key;
      load(keys + d * kLanes, key);
      for (int64_t q = 0; q < kQueries; ++q) sums[q] += path.queries[q * path.dims + d] * key;
    }
    for (int64_t q = 0; q < kQueries; ++q)
      store(sums[q] * scale, &path.weights[q * path.positions + block * kLanes]);
  }
}

// Turns a query's scores at positions [0, seen) into exp(score - largest), zero from there to the
// end of the last block, and returns 1 / their sum.
DEMIX_INLINE float soften(float* weights, int64_t seen, int64_t blocks) {
  Floats lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = static_cast<float>(i);
  Floats largest = Floats{} - INFINITY;
  const Floats lowest = largest;
  for (int64_t block = 0; block < blocks; ++block) {
    Floats x;
    load(weights + block * kLanes, x);
    x = lane < static_cast<float>(seen - block * kLanes) ? x : lowest;
    largest = x > largest ? x : largest;
  }
  const float top = largest_of(largest);
  Floats sum = {};
  for (int64_t block = 0; block < blocks; ++block) {
    Floats x;
    load(weights + block * kLanes, x);
    x -= top;
    exponentiate(x);
    x = lane < static_cast<float>(seen - block * kLanes) ? x : Floats{};
    sum += x;
    store(x, weights + block * kLanes);
  }
  return 1 / sum_of(sum);
}

// Σ_p weights[q][p] v_p for kVectors vectors of dimensions from `first` on, into out[q].
template <int kVectors>
DEMIX_INLINE void mix(const Path& path, int64_t first, int64_t count, float* out) {
  Floats sums[kQueries][kVectors] = {};
  for (int64_t p = 0; p < count; ++p) {
    Floats value[kVectors];
    for (int i = 0; i < kVectors; ++i)
      load(&path.values[p * path.dims + first + i * kLanes], value[i]);
    for (int64_t q = 0; q < kQueries; ++q) {
      const float weight = path.weights[q * path.positions + p];
      for (int i = 0; i < kVectors; ++i) sums[q][i] += weight * value[i];
    }
  }
  for (int64_t q = 0; q < kQueries; ++q)
    for (int i = 0; i < kVectors; ++i) store(sums[q][i], out + q * path.dims + first + i * kLanes);
}

template <typename T>
DEMIX_INLINE void attend(const AttentionInput& input, const T* q, const T* k, const T* v, T* out) {
  const auto [heads, kv_heads, head_dim] = input.shape;
  const int64_t group = heads / kv_heads;
  int64_t longest = 0;
  for (const Segment& segment : input.segments)
    longest = std::max(longest, segment.start + segment.count);
  Path path(head_dim, longest);
  std::vector<float> mixed(static_cast<size_t>(kQueries * path.dims));
  const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
  for (int64_t g = 0; g < kv_heads; ++g) {
    for (const Segment& segment : input.segments) {
      extend_path(path,
                  segment,
                  head_dim,
                  k + g * head_dim,
                  input.k_stride,
                  v + g * head_dim,
                  input.v_stride);
      // The group's heads share keys and values: query j is head j % group of row j / group.
      const int64_t total = segment.count * group;
      for (int64_t first = 0; first < total; first += kQueries) {
        const int64_t here = std::min(kQueries, total - first);
        for (int64_t j = 0; j < here; ++j) {
          const int64_t row = segment.row + (first + j) / group;
          const T* query = q + row * input.q_stride + (g * group + (first + j) % group) * head_dim;
          for (int64_t d = 0; d < head_dim; ++d)
            path.queries[j * path.dims + d] = to_float(query[d]);
        }
        const int64_t last_seen = segment.start + (first + here - 1) / group + 1;
        const int64_t blocks = (last_seen + kLanes - 1) / kLanes;
        score(path, blocks, scale);
        float inverse[kQueries] = {};
        for (int64_t j = 0; j < here; ++j)
          inverse[j] = soften(
              &path.weights[j * path.positions], segment.start + (first + j) / group + 1, blocks);
        int64_t d = 0;
        for (; d + 2 * kLanes <= path.dims; d += 2 * kLanes)
          mix<2>(path, d, last_seen, mixed.data());
        if (d < path.dims) mix<1>(path, d, last_seen, mixed.data());
        for (int64_t j = 0; j < here; ++j) {
          const int64_t row = segment.row + (first + j) / group;
          T* to = out + row * input.out_stride + (g * group + (first + j) % group) * head_dim;
          for (int64_t x = 0; x < path.dims; x += kLanes) {
            Floats result;
            load(&mixed[j * path.dims + x], result);
            result *= inverse[j];
            if (x + kLanes <= head_dim) {
              store(result, to + x);
            } else {
              T lanes[kLanes];
              store(result, lanes);
              std::copy(lanes, lanes + (head_dim - x), to + x);
            }
          }
        }
      }
    }
  }
}

}  // namespace

DEMIX_CPU_CLONES void tree_attention(
    const AttentionInput& input, const float* q, const float* k, const float* v, float* out) {
  attend(input, q, k, v, out);
}

DEMIX_CPU_CLONES void tree_attention(const AttentionInput& input,
                                     const BFloat16* q,
                                     const BFloat16* k,
                                     const BFloat16* v,
                                     BFloat16* out) {
  attend(input, q, k, v, out);
}

}  // namespace demix
