#include "demix/evaluate/forward.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <type_traits>

#include "demix/core/error.h"
#include "demix/evaluate/attention.h"
#include "demix/evaluate/product.h"
#include "demix/evaluate/rows.h"
#include "demix/evaluate/threads.h"

// N rows of a pass, C hidden width, I intermediate width, A answered rows.

namespace demix {
namespace {

using at::Tensor;

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

template <typename T>
const T* data_of(const Tensor& tensor) {
  return tensor.defined() ? static_cast<const T*>(tensor.const_data_ptr()) : nullptr;
}

// Rows of activations.
template <typename T>
struct Rows {
  int64_t stride = 0, capacity = 0;
  Buffer<T> values;

  explicit Rows(int64_t columns) : stride(row_stride<T>(columns)) {}
  // Room for `rows` rows, whose values are then any finite ones.
  void reserve(int64_t rows) {
    if (rows <= capacity) return;
    capacity = round_up(rows, kRowUnit);
    values = Buffer<T>(capacity * stride);
  }
  T* row(int64_t i) const { return values.data() + i * stride; }
};

// Successive trees of a pass that go through a layer together.
struct Group {
  int64_t first, rows;
  std::span<const Segment> segments;
};

std::vector<Group> groups_of(const Pass& pass) {
  std::vector<Group> groups;
  const std::span<const Segment> segments = pass.segments;
  size_t begin = 0;
  for (size_t end = 1; end <= segments.size(); ++end) {
    const bool last = end == segments.size();
    if (!last && segments[end].start != 0) continue;
    const int64_t first = segments[begin].row;
    const int64_t rows = (last ? pass.rows() : segments[end].row) - first;
    if (!last && rows < kGroupRows) continue;
    groups.push_back({first, rows, segments.subspan(begin, end - begin)});
    begin = end;
  }
  return groups;
}

// Rows whose logits are read, each once, in order; and for each answer its place among them.
struct AnswerRows {
  std::vector<int64_t> rows;
  std::vector<int64_t> places;

  explicit AnswerRows(const Pass& pass) {
    for (const Answer& answer : pass.answers) rows.push_back(answer.row);
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    for (const Answer& answer : pass.answers)
      places.push_back(std::lower_bound(rows.begin(), rows.end(), answer.row) - rows.begin());
  }
};

template <typename T>
class Packed final : public PackedModel {
 public:
  Packed(const Decoder& decoder, const Weights& weights, int64_t positions)
      : a_(decoder.architecture()),
        embedding_(data_of<T>(decoder.embedding(weights))),
        final_norm_(data_of<T>(decoder.final_norm(weights))),
        positions_(positions),
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
          head_ = matrix_of({data_of<T>(decoder.head(weights))}, {a_.vocabulary}, a_.hidden);
        } else {
          layers_[i - 1] = pack_layer(decoder.layer(weights, static_cast<int64_t>(i) - 1));
        }
      };
    });
  }

  ScorePass scorer() const override {
    return [this, memory = std::make_shared<Memory>(a_, positions_)](const Pass& pass,
                                                                     std::vector<double>& slots) {
      run_layers(pass, *memory);
      read_answers(pass, *memory, slots);
      end_block_products();
    };
  }

 private:
  struct Layer {
    Matrix<T> qkv, out, gate_up, down;
    // Where the architecture has none: null.
    const T *input_norm, *post_norm, *q_norm, *k_norm, *out_bias, *gate_bias, *up_bias, *down_bias;
    Buffer<T> qkv_bias;
  };

  // The parts' outputs one after the other.
  static Matrix<T> matrix_of(std::vector<const T*> parts,
                             std::vector<int64_t> outputs,
                             int64_t inputs) {
    int64_t total = 0;
    for (int64_t count : outputs) total += count;
    return Matrix<T>(total, inputs, [&](int64_t i) {
      size_t part = 0;
      for (; i >= outputs[part]; ++part) i -= outputs[part];
      return parts[part] + i * inputs;
    });
  }

  Layer pack_layer(const Decoder::LayerTensors& t) const {
    Layer layer;
    const int64_t q = a_.heads * a_.head_dim, kv = a_.kv_heads * a_.head_dim;
    layer.qkv =
        matrix_of({data_of<T>(t.q), data_of<T>(t.k), data_of<T>(t.v)}, {q, kv, kv}, a_.hidden);
    layer.out = matrix_of({data_of<T>(t.out)}, {a_.hidden}, q);
    layer.down = matrix_of({data_of<T>(t.down)}, {a_.hidden}, a_.intermediate);
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

  // Of a pass: x, and `read`, the hidden states whose logits are read. Of a group of rows: the
  // rest.
  struct Memory {
    Rows<T> x, read, normed, qkv, mixed, gated;
    AttentionScratch attention;

    Memory(const Architecture& a, int64_t positions)
        : x(a.hidden),
          read(a.hidden),
          normed(a.hidden),
          qkv((a.heads + 2 * a.kv_heads) * a.head_dim),
          mixed(a.heads * a.head_dim),
          gated(a.intermediate),
          attention(a.head_dim, positions, std::is_same_v<T, BFloat16>) {}
  };

  void run_layers(const Pass& pass, Memory& m) const {
    m.x.reserve(pass.rows());
    for (int64_t i = 0; i < pass.rows(); ++i)
      std::copy_n(embedding_ + pass.ids[static_cast<size_t>(i)] * a_.hidden, a_.hidden, m.x.row(i));
    const auto groups = groups_of(pass);
    int64_t largest = 0;
    for (const Group& group : groups) largest = std::max(largest, group.rows);
    for (Rows<T>* rows : {&m.normed, &m.qkv, &m.mixed, &m.gated}) rows->reserve(largest);
    for (const Layer& layer : layers_) {
      for (const Group& group : groups) {
        attend(layer, pass, group, m);
        feed_forward(layer, group, m);
      }
    }
  }

  // x += attention(norm(x)).
  void attend(const Layer& layer, const Pass& pass, const Group& group, Memory& m) const {
    const int64_t q = a_.heads * a_.head_dim, kv = a_.kv_heads * a_.head_dim;
    normalize_group(layer.input_norm, group, m);
    layer.qkv.multiply(m.normed.row(0),
                       m.normed.stride,
                       group.rows,
                       [&](int64_t row, int64_t column, const Block& block) {
                         const T* bias = a_.qkv_bias ? layer.qkv_bias.data() + column : nullptr;
                         store_block(
                             block, bias, Strided<T>{m.qkv.row(row) + column, m.qkv.stride});
                       });
    const Rotation rotation{pass.positions.data() + group.first, cos_.data(), sin_.data()};
    const auto rotate = [&](T* from, int64_t heads, const T* norm) {
      const Strided<T> x{from, m.qkv.stride};
      rotate_heads(x, group.rows, heads, a_.head_dim, rotation, Normalization<T>{norm, rms_eps()});
    };
    T* const begin = m.qkv.row(0);
    rotate(begin, a_.heads, layer.q_norm);
    rotate(begin + q, a_.kv_heads, layer.k_norm);
    const AttentionInput input{.segments = group.segments,
                               .shape = {a_.heads, a_.kv_heads, a_.head_dim},
                               .q_stride = m.qkv.stride,
                               .k_stride = m.qkv.stride,
                               .v_stride = m.qkv.stride,
                               .out_stride = m.mixed.stride,
                               .first_row = group.first};
    tree_attention(input, begin, begin + q, begin + q + kv, m.mixed.row(0), m.attention);
    add_product(layer.out, layer.out_bias, m.mixed, group, m);
  }

  // x += down(silu(gate) · up), of norm(x).
  void feed_forward(const Layer& layer, const Group& group, Memory& m) const {
    normalize_group(layer.post_norm, group, m);
    layer.gate_up.multiply(
        m.normed.row(0),
        m.normed.stride,
        group.rows,
        [&](int64_t row, int64_t column, const Block& block) {
          column /= 2;
          GateBiases<T> biases{};
          if (layer.gate_bias) biases = {layer.gate_bias + column, layer.up_bias + column};
          const int64_t pairs = std::min(kBlockColumns / 2, a_.intermediate - column);
          store_gated_block({block.values, block.rows, pairs},
                            biases,
                            Strided<T>{m.gated.row(row) + column, m.gated.stride});
        });
    add_product(layer.down, layer.down_bias, m.gated, group, m);
  }

  void normalize_group(const T* weight, const Group& group, Memory& m) const {
    normalize(Strided<const T>{m.x.row(group.first), m.x.stride},
              group.rows,
              a_.hidden,
              Normalization<T>{weight, rms_eps()},
              Strided<T>{m.normed.row(0), m.normed.stride});
  }

  // x += from · weightsᵀ + bias.
  void add_product(const Matrix<T>& weights,
                   const T* bias,
                   const Rows<T>& from,
                   const Group& group,
                   Memory& m) const {
    weights.multiply(
        from.row(0), from.stride, group.rows, [&](int64_t row, int64_t column, const Block& block) {
          add_block(block,
                    bias ? bias + column : nullptr,
                    Strided<T>{m.x.row(group.first + row) + column, m.x.stride});
        });
  }

  float rms_eps() const { return static_cast<float>(a_.rms_eps); }

  void read_answers(const Pass& pass, Memory& m, std::vector<double>& slots) const {
    const AnswerRows answers(pass);
    const auto read = static_cast<int64_t>(answers.rows.size());
    m.read.reserve(read);
    for (int64_t i = 0; i < read; ++i)
      normalize(Strided<const T>{m.x.row(answers.rows[static_cast<size_t>(i)]), 0},
                1,
                a_.hidden,
                Normalization<T>{final_norm_, rms_eps()},
                Strided<T>{m.read.row(i), 0});

    std::vector<LaneSums> sums(static_cast<size_t>(read), LaneSums::lowest());
    std::vector<float> logits(pass.answers.size());
    // Answers by token, so that those of a block's columns are neighbours.
    std::vector<size_t> order(pass.answers.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto token = [&](size_t i) { return int64_t{pass.answers[i].token}; };
    std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return token(i) < token(j); });
    for (int64_t first = 0; first < read; first += kGroupRows) {
      head_.multiply(
          m.read.row(first),
          m.read.stride,
          std::min(kGroupRows, read - first),
          [&](int64_t row, int64_t column, const Block& block) {
            add_logits(block, sums.data() + first + row);
            auto answer = std::partition_point(
                order.begin(), order.end(), [&](size_t i) { return token(i) < column; });
            for (; answer != order.end() && token(*answer) < column + kBlockColumns; ++answer) {
              const int64_t place = answers.places[*answer] - first - row;
              if (place >= 0 && place < block.rows)
                logits[*answer] = block.values[place * kBlockColumns + token(*answer) - column];
            }
          });
    }
    for (size_t i = 0; i < logits.size(); ++i)
      slots[static_cast<size_t>(pass.answers[i].slot)] +=
          logits[i] - log_of_sum(sums[static_cast<size_t>(answers.places[i])]);
  }

  Architecture a_;
  const T *embedding_, *final_norm_;
  int64_t positions_;
  std::vector<Layer> layers_;
  Matrix<T> head_;
  Buffer<float> cos_, sin_;  // [positions, head_dim / 2]
};

}  // namespace

std::unique_ptr<PackedModel> pack_model(const Decoder& decoder,
                                        const Weights& weights,
                                        int64_t positions) {
  if (weights.flat.scalar_type() == at::kFloat)
    return std::make_unique<Packed<float>>(decoder, weights, positions);
  DEMIX_CHECK(weights.flat.scalar_type() == at::kBFloat16);
  return std::make_unique<Packed<BFloat16>>(decoder, weights, positions);
}

}  // namespace demix
