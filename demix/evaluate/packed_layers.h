// A decoder's weights on the CPU, copied once into the layout of products (product.h), and its
// layers' way over rows of tokens: products in blocks, what lies between them on a group of rows
// that stays in the cache (rows.h), attention as the caller wants it. It computes what
// Decoder::hidden does, up to rounding; in bfloat16 it rounds less often.
//
// A token's hidden state depends bitwise on nothing but the weights and what `attend` gives it. T
// is float or BFloat16, the element type of weights and rows.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "demix/evaluate/plan.h"
#include "demix/evaluate/product.h"
#include "demix/model/decoder.h"

namespace demix {

// Rows that go through a layer together: enough to be worth reading its weights from memory, few
// enough that they stay in a core's cache.
constexpr int64_t kGroupRows = 512;

// Rows of activations.
template <typename T>
struct ActivationRows {
  int64_t stride = 0, capacity = 0;
  Buffer<T> values;

  explicit ActivationRows(int64_t columns) : stride(row_stride<T>(columns)) {}
  // Room for `rows` rows, whose values are then any finite ones.
  void reserve(int64_t rows) {
    if (rows <= capacity) return;
    capacity = round_up(rows, kBlockRows);
    values = Buffer<T>(capacity * stride);
  }
  T* row(int64_t i) const { return values.data() + i * stride; }
};

// Successive trees of a pass that go through a layer together.
struct RowGroup {
  int64_t first, rows;
  std::span<const Segment> segments;
};

// What attention reads and writes: row i of the group is i rows behind the pointers. Keys and
// queries are turned by their positions already.
template <typename T>
struct AttentionRows {
  int64_t layer;
  const RowGroup& group;
  const T *q, *k, *v;  // [rows, heads or kv_heads · head_dim], `stride` apart
  int64_t stride;
  T* out;  // [rows, heads · head_dim]
  int64_t out_stride;
};
template <typename T>
using Attend = std::function<void(const AttentionRows<T>&)>;

// Attention over the group's trees.
template <typename T>
void attend_over_trees(const AttentionRows<T>& rows,
                       AttentionShape shape,
                       AttentionScratch& scratch);

// Rows of a pass that are wanted, each once, ascending; and of each wish its place among them.
struct ReadRows {
  std::vector<int64_t> rows, places;

  explicit ReadRows(std::vector<int64_t> wanted);
};

// Memory of one thread's passes. x holds the hidden states of a pass, `read` what comes of it.
template <typename T>
struct PassMemory {
  ActivationRows<T> x, read, normed, qkv, mixed, gated;

  explicit PassMemory(const Architecture& a)
      : x(a.hidden),
        read(a.hidden),
        normed(a.hidden),
        qkv((a.heads + 2 * a.kv_heads) * a.head_dim),
        mixed(a.heads * a.head_dim),
        gated(a.intermediate) {}
};

template <typename T>
class PackedLayers {
 public:
  // Packs with as many threads as ATen uses. The weights must outlive the result. Sequences have at
  // most `positions` tokens.
  PackedLayers(const Decoder& decoder, const Weights& weights, int64_t positions);

  const Architecture& architecture() const { return a_; }
  // The output projection.
  const Matrix<T>& head() const { return head_; }

  // Runs the pass's tokens through all layers. memory.read then holds the final norm of the hidden
  // states of the rows that `read` names, ascending, each once: the others end with the last
  // layer's attention.
  void run(const Pass& pass,
           std::span<const int64_t> read,
           PassMemory<T>& memory,
           const Attend<T>& attend) const;

 private:
  struct Layer {
    Matrix<T> qkv, out, gate_up, down;
    // Where the architecture has none: null.
    const T *input_norm, *post_norm, *q_norm, *k_norm, *out_bias, *gate_bias, *up_bias, *down_bias;
    Buffer<T> qkv_bias;
  };
  // One pass under way.
  struct Run {
    const Pass& pass;
    const Attend<T>& attend;
    PassMemory<T>& memory;
  };

  Layer pack_layer(const Decoder::LayerTensors& tensors) const;
  void mix(int64_t layer, const RowGroup& group, const Run& run) const;
  void feed_forward(int64_t layer, const RowGroup& group, const Run& run) const;
  void keep(std::span<const int64_t> rows,
            int64_t first,
            const RowGroup& to,
            PassMemory<T>& m) const;
  void normalize_group(const T* weight, const RowGroup& group, PassMemory<T>& m) const;
  void add_product(const Matrix<T>& weights,
                   const T* bias,
                   const ActivationRows<T>& from,
                   const RowGroup& group,
                   const Run& run) const;
  float rms_eps() const { return static_cast<float>(a_.rms_eps); }

  Architecture a_;
  const T *embedding_, *final_norm_;
  std::vector<Layer> layers_;
  Matrix<T> head_;
  Buffer<float> cos_, sin_;  // [positions, head_dim / 2]
};

extern template class PackedLayers<float>;
extern template class PackedLayers<BFloat16>;

}  // namespace demix
