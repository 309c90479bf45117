#include "demix/evaluate/packed_layers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "demix/evaluate/rows.h"
#include "demix/evaluate/threads.h"

// C hidden width, I intermediate width.

namespace demix {
namespace {

template <typename T>
const T* data_of(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<const T*>(tensor.const_data_ptr()) : nullptr;
}

// As many trees as fit into `most` rows, so that the rows that products are padded with stay few; a
// larger tree is a group of its own.
std::vector<RowGroup> groups_of(const Pass& pass, int64_t most) {
  std::vector<RowGroup> groups;
  const std::span<const Segment> segments = pass.segments;
  size_t begin = 0, tree = 0;  // where the group and its last tree begin
  for (size_t end = 1; end <= segments.size(); ++end) {
    const bool last = end == segments.size();
    if (!last && segments[end].start != 0) continue;
    // The trees up to `end` are known: does the last of them still fit?
    const int64_t first = segments[begin].row;
    const int64_t until = last ? pass.rows() : segments[end].row;
    if (tree > begin && until - first > most) {
      groups.push_back({first, segments[tree].row - first, segments.subspan(begin, tree - begin)});
      begin = tree;
    }
    if (last)
      groups.push_back(
          {segments[begin].row, until - segments[begin].row, segments.subspan(begin, end - begin)});
    tree = end;
  }
  return groups;
}

// The parts' outputs one after the other.
template <typename T>
Matrix<T> matrix_of(std::vector<const T*> parts, std::vector<int64_t> outputs, int64_t inputs) {
  int64_t total = 0;
  for (int64_t count : outputs) total += count;
  return Matrix<T>(total, inputs, [&](int64_t i) {
    size_t part = 0;
    for (; i >= outputs[part]; ++part) i -= outputs[part];
    return parts[part] + i * inputs;
  });
}

}  // namespace

ReadRows::ReadRows(std::vector<int64_t> wanted) : rows(wanted) {
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  for (const int64_t row : wanted)
    places.push_back(std::lower_bound(rows.begin(), rows.end(), row) - rows.begin());
}

template <typename T>
void attend_over_trees(const AttentionRows<T>& rows,
                       AttentionShape shape,
                       AttentionScratch& scratch) {
  const AttentionInput input{.segments = rows.group.segments,
                             .shape = shape,
                             .q_stride = rows.stride,
                             .k_stride = rows.stride,
                             .v_stride = rows.stride,
                             .out_stride = rows.out_stride,
                             .first_row = rows.group.first};
  tree_attention(input, rows.q, rows.k, rows.v, rows.out, scratch);
}

template <typename T>
PackedLayers<T>::PackedLayers(const Decoder& decoder, const Weights& weights, int64_t positions)
    : a_(decoder.architecture()),
      embedding_(data_of<T>(decoder.embedding(weights))),
      final_norm_(data_of<T>(decoder.final_norm(weights))),
      layers_(static_cast<size_t>(a_.layers)),
      cos_(positions * a_.head_dim / 2),
      sin_(positions * a_.head_dim / 2) {
  const float* frequencies = data_of<float>(decoder.inverse_frequencies());
  for (int64_t i = 0; i < positions * a_.head_dim / 2; ++i) {
    const float angle =
        static_cast<float>(i / (a_.head_dim / 2)) * frequencies[i % (a_.head_dim / 2)];
    cos_[i] = static_cast<float>(std::cos(static_cast<double>(angle)));
    sin_[i] = static_cast<float>(std::sin(static_cast<double>(angle)));
  }
  in_single_threads(layers_.size() + 1, [&] {
    return [&](size_t i) {
      if (i == 0) {
        head_ = matrix_of<T>({data_of<T>(decoder.head(weights))}, {a_.vocabulary}, a_.hidden);
      } else {
        layers_[i - 1] = pack_layer(decoder.layer(weights, static_cast<int64_t>(i) - 1));
      }
    };
  });
}

template <typename T>
typename PackedLayers<T>::Layer PackedLayers<T>::pack_layer(const Decoder::LayerTensors& t) const {
  Layer layer;
  const int64_t q = a_.heads * a_.head_dim, kv = a_.kv_heads * a_.head_dim;
  layer.qkv =
      matrix_of<T>({data_of<T>(t.q), data_of<T>(t.k), data_of<T>(t.v)}, {q, kv, kv}, a_.hidden);
  layer.out = matrix_of<T>({data_of<T>(t.out)}, {a_.hidden}, q);
  layer.down = matrix_of<T>({data_of<T>(t.down)}, {a_.hidden}, a_.intermediate);
  // Of each block's columns, the first half are gates and the second half their ups.
  constexpr int64_t kHalf = kBlockColumns / 2;
  const T *gate = data_of<T>(t.gate), *up = data_of<T>(t.up);
  layer.gate_up =
      Matrix<T>(round_up(a_.intermediate, kHalf) * 2, a_.hidden, [&](int64_t i) -> const T* {
        const int64_t column = i / kBlockColumns * kHalf + i % kHalf;
        if (column >= a_.intermediate) return nullptr;
        return (i % kBlockColumns < kHalf ? gate : up) + column * a_.hidden;
      });
  layer.input_norm = data_of<T>(t.input_norm);
  layer.post_norm = data_of<T>(t.post_norm);
  layer.q_norm = data_of<T>(t.q_norm);
  layer.k_norm = data_of<T>(t.k_norm);
  layer.out_bias = data_of<T>(t.out_bias);
  layer.gate_bias = data_of<T>(t.gate_bias);
  layer.up_bias = data_of<T>(t.up_bias);
  layer.down_bias = data_of<T>(t.down_bias);
  if (a_.qkv_bias) {
    layer.qkv_bias = Buffer<T>(round_up(q + 2 * kv, kBlockColumns));
    std::copy_n(data_of<T>(t.q_bias), q, layer.qkv_bias.data());
    std::copy_n(data_of<T>(t.k_bias), kv, layer.qkv_bias.data() + q);
    std::copy_n(data_of<T>(t.v_bias), kv, layer.qkv_bias.data() + q + kv);
  }
  return layer;
}

template <typename T>
void PackedLayers<T>::run(const Pass& pass,
                          std::span<const int64_t> read,
                          PassMemory<T>& m,
                          const Attend<T>& attend) const {
  const Run run{pass, attend, m};
  m.x.reserve(pass.rows());
  for (int64_t i = 0; i < pass.rows(); ++i)
    std::copy_n(embedding_ + pass.ids[static_cast<size_t>(i)] * a_.hidden, a_.hidden, m.x.row(i));
  const auto groups = groups_of(pass, kGroupRows);
  int64_t largest = 0;
  for (const RowGroup& group : groups) largest = std::max(largest, group.rows);
  for (ActivationRows<T>* rows : {&m.normed, &m.qkv, &m.mixed, &m.gated}) rows->reserve(largest);
  for (int64_t layer = 0; layer + 1 < a_.layers; ++layer) {
    for (const RowGroup& group : groups) {
      mix(layer, group, run);
      feed_forward(layer, group, run);
    }
  }
  int64_t kept = 0;
  for (const RowGroup& group : groups) {
    mix(a_.layers - 1, group, run);
    const auto end = std::lower_bound(read.begin() + kept, read.end(), group.first + group.rows);
    const RowGroup those{kept, end - read.begin() - kept, {}};
    keep(read.subspan(static_cast<size_t>(those.first), static_cast<size_t>(those.rows)),
         group.first,
         those,
         m);
    feed_forward(a_.layers - 1, those, run);
    kept += those.rows;
  }
  m.read.reserve(kept);
  normalize(Strided<const T>{m.x.row(0), m.x.stride},
            kept,
            a_.hidden,
            Normalization<T>{final_norm_, rms_eps()},
            Strided<T>{m.read.row(0), m.read.stride});
}

// Moves rows to where `to` says, which is never behind where they were: of x, and of what attention
// gave the group that begins at row `first`, to its front.
template <typename T>
void PackedLayers<T>::keep(std::span<const int64_t> rows,
                           int64_t first,
                           const RowGroup& to,
                           PassMemory<T>& m) const {
  const auto move = [](const ActivationRows<T>& values, int64_t from, int64_t at) {
    if (from != at) std::copy_n(values.row(from), values.stride, values.row(at));
  };
  for (int64_t i = 0; i < to.rows; ++i) {
    const int64_t row = rows[static_cast<size_t>(i)];
    move(m.x, row, to.first + i);
    move(m.mixed, row - first, i);
  }
}

// mixed = attention(norm(x)).
template <typename T>
void PackedLayers<T>::mix(int64_t index, const RowGroup& group, const Run& run) const {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  PassMemory<T>& m = run.memory;
  const int64_t q = a_.heads * a_.head_dim, kv = a_.kv_heads * a_.head_dim;
  normalize_group(layer.input_norm, group, m);
  layer.qkv.multiply(m.normed.row(0),
                     m.normed.stride,
                     group.rows,
                     [&](int64_t row, int64_t column, const Block& block) {
                       const T* bias = a_.qkv_bias ? layer.qkv_bias.data() + column : nullptr;
                       store_block(block, bias, Strided<T>{m.qkv.row(row) + column, m.qkv.stride});
                     });
  const Rotation rotation{run.pass.positions.data() + group.first, cos_.data(), sin_.data()};
  const auto rotate = [&](T* from, int64_t heads, const T* norm) {
    const Strided<T> x{from, m.qkv.stride};
    rotate_heads(x, group.rows, heads, a_.head_dim, rotation, Normalization<T>{norm, rms_eps()});
  };
  T* const begin = m.qkv.row(0);
  rotate(begin, a_.heads, layer.q_norm);
  rotate(begin + q, a_.kv_heads, layer.k_norm);
  run.attend({.layer = index,
              .group = group,
              .q = begin,
              .k = begin + q,
              .v = begin + q + kv,
              .stride = m.qkv.stride,
              .out = m.mixed.row(0),
              .out_stride = m.mixed.stride});
}

// x += out(mixed); then x += down(silu(gate) · up), of norm(x).
template <typename T>
void PackedLayers<T>::feed_forward(int64_t index, const RowGroup& group, const Run& run) const {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  PassMemory<T>& m = run.memory;
  add_product(layer.out, layer.out_bias, m.mixed, group, run);
  normalize_group(layer.post_norm, group, m);
  layer.gate_up.multiply(m.normed.row(0),
                         m.normed.stride,
                         group.rows,
                         [&](int64_t row, int64_t column, const Block& block) {
                           column /= 2;
                           GateBiases<T> biases{};
                           if (layer.gate_bias)
                             biases = {layer.gate_bias + column, layer.up_bias + column};
                           const int64_t pairs =
                               std::min(kBlockColumns / 2, a_.intermediate - column);
                           store_gated_block({block.values, block.rows, pairs},
                                             biases,
                                             Strided<T>{m.gated.row(row) + column, m.gated.stride});
                         });
  add_product(layer.down, layer.down_bias, m.gated, group, run);
}

template <typename T>
void PackedLayers<T>::normalize_group(const T* weight,
                                      const RowGroup& group,
                                      PassMemory<T>& m) const {
  normalize(Strided<const T>{m.x.row(group.first), m.x.stride},
            group.rows,
            a_.hidden,
            Normalization<T>{weight, rms_eps()},
            Strided<T>{m.normed.row(0), m.normed.stride});
}

// x += from · weightsᵀ + bias.
template <typename T>
void PackedLayers<T>::add_product(const Matrix<T>& weights,
                                  const T* bias,
                                  const ActivationRows<T>& from,
                                  const RowGroup& group,
                                  const Run& run) const {
  const ActivationRows<T>& x = run.memory.x;
  weights.multiply(
      from.row(0), from.stride, group.rows, [&](int64_t row, int64_t column, const Block& block) {
        add_block(block,
                  bias ? bias + column : nullptr,
                  Strided<T>{x.row(group.first + row) + column, x.stride});
      });
}

template void attend_over_trees(const AttentionRows<float>&, AttentionShape, AttentionScratch&);
template void attend_over_trees(const AttentionRows<BFloat16>&, AttentionShape, AttentionScratch&);
template class PackedLayers<float>;
template class PackedLayers<BFloat16>;

}  // namespace demix
