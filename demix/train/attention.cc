#include "demix/train/attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/simd.h"
#include "demix/train/part_vectors.h"

namespace demix {

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr int64_t kQueryBlock = 256;
// First keys are rounded down to this, so that few shapes of products occur.
constexpr int64_t kKeyStep = 64;

// The keys [first, last) of `keys` that a query may see.
struct Seen {
  int64_t keys, first, last;
  // Where the first vector with such a key begins.
  int64_t begin() const { return first / kLanes * kLanes; }
};

// Calls f(j, x) for the vectors with keys that are seen, which leaves in x what becomes of them;
// the others become zero.
template <typename Isa, typename T, typename F>
DEMIX_INLINE void replace_seen(T* row, const Seen& seen, F&& f) {
  for (int64_t j = 0; j < seen.keys; j += kLanes) {
    typename Isa::Floats x = {};
    if (j >= seen.begin() && j < seen.last) {
      f(j, x);
      keep_between(x, j, seen.first, seen.last, 0);
    }
    store_first<Isa>(x, seen.keys - j, row + j);
  }
}

// Scores of one query in place to probabilities. `exps` is scratch for the keys, rounded up to
// whole vectors. Returns the log of the normaliser.
template <typename Isa, typename T>
DEMIX_INLINE float softmax_row(T* row, const Seen& seen, float scale, float* exps) {
  using Floats = typename Isa::Floats;
  Floats largest = every_lane<Floats>(-INFINITY), sums = {}, y;
  for (int64_t j = seen.begin(); j < seen.last; j += kLanes) {
    load_first<Isa>(row + j, seen.keys - j, y);
    keep_between(y, j, seen.first, seen.last, -INFINITY);
    largest = choose(y > largest, y, largest);
  }
  const float top = largest_of(largest);
  for (int64_t j = seen.begin(); j < seen.last; j += kLanes) {
    load_first<Isa>(row + j, seen.keys - j, y);
    y = (y - top) * scale;
    Isa::exponentiate(y);
    keep_between(y, j, seen.first, seen.last, 0);
    sums += y;
    store(y, exps + j);
  }
  const float sum = sum_of(sums), share = 1 / sum;
  replace_seen<Isa>(row, seen, [&](int64_t j, Floats& x) __attribute__((always_inline)) {
    load(exps + j, x);
    x *= share;
  });
  return top * scale + std::log(sum);
}

// Scores to the probabilities of the forward pass.
template <typename Isa, typename T>
DEMIX_INLINE void softmax_row_again(T* row, const Seen& seen, float scale, float normaliser) {
  replace_seen<Isa>(
      row, seen, [&](int64_t j, typename Isa::Floats& x) __attribute__((always_inline)) {
        load_first<Isa>(row + j, seen.keys - j, x);
        x = x * scale - normaliser;
        Isa::exponentiate(x);
      });
}

// Gradient of the probabilities in place to the gradient of the unscaled scores: p (dp - Σ p dp)
// scale, where Σ p dp = Σ_d out d_out.
template <typename Isa, typename T>
DEMIX_INLINE void softmax_row_backward(
    T* dp, const T* p, const T* out, const T* d_out, int64_t D, const Seen& seen, float scale) {
  using Floats = typename Isa::Floats;
  Floats products = {}, a, b;
  for (int64_t d = 0; d < D; d += kLanes) {
    load_first<Isa>(out + d, D - d, a);
    load_first<Isa>(d_out + d, D - d, b);
    products += a * b;
  }
  const float mean = sum_of(products);
  replace_seen<Isa>(dp, seen, [&](int64_t j, Floats& x) __attribute__((always_inline)) {
    Floats probability;
    load_first<Isa>(p + j, seen.keys - j, probability);
    load_first<Isa>(dp + j, seen.keys - j, x);
    x = probability * (x - mean) * scale;
  });
}

// One block: queries [begin, end) of a row against keys [first_key, end) of it.
struct Block {
  int64_t begin, end, first_key;
  int64_t queries() const { return end - begin; }
  int64_t keys() const { return end - first_key; }
};

// What the rows of one block need to know; all its rows of scores are ordered (head, query), so
// that one group's heads form one product.
struct BlockRows {
  const int32_t* begins;
  const Block& block;
  int64_t heads;
  float scale;

  Seen seen(int64_t query) const {
    return {block.keys(), begins[query] - block.first_key, query + 1 - block.first_key};
  }
};

template <typename Isa, typename T>
DEMIX_INLINE void soften_for(T* scores, float* normalisers, const BlockRows& rows, float* exps) {
  for (int64_t h = 0; h < rows.heads; ++h)
    for (int64_t i = rows.block.begin; i < rows.block.end; ++i, scores += rows.block.keys())
      normalisers[i * rows.heads + h] = softmax_row<Isa>(scores, rows.seen(i), rows.scale, exps);
}
template <typename Isa, typename T>
DEMIX_INLINE void soften_again_for(T* scores, const float* normalisers, const BlockRows& rows) {
  for (int64_t h = 0; h < rows.heads; ++h)
    for (int64_t i = rows.block.begin; i < rows.block.end; ++i, scores += rows.block.keys())
      softmax_row_again<Isa>(scores, rows.seen(i), rows.scale, normalisers[i * rows.heads + h]);
}
template <typename Isa, typename T>
DEMIX_INLINE void soften_backward_for(
    T* dp, const T* p, const T* out, const T* d_out, int64_t D, const BlockRows& rows) {
  const int64_t keys = rows.block.keys();
  for (int64_t h = 0; h < rows.heads; ++h)
    for (int64_t i = rows.block.begin; i < rows.block.end; ++i, dp += keys, p += keys)
      softmax_row_backward<Isa>(dp,
                                p,
                                out + (i * rows.heads + h) * D,
                                d_out + (i * rows.heads + h) * D,
                                D,
                                rows.seen(i),
                                rows.scale);
}
template <typename Isa, typename T>
DEMIX_INLINE void round_to_for(T* to, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    typename Isa::Floats a;
    load_first<Isa>(x + i, n - i, a);
    store_first<Isa>(a, n - i, to + i);
  }
}

#define DEMIX_FOR(T)                                                                        \
  DEMIX_KERNEL(soften,                                                                      \
               (T * scores, float* normalisers, const BlockRows& rows, float* exps),        \
               (scores, normalisers, rows, exps))                                           \
  DEMIX_KERNEL(soften_again,                                                                \
               (T * scores, const float* normalisers, const BlockRows& rows),               \
               (scores, normalisers, rows))                                                 \
  DEMIX_KERNEL(                                                                             \
      soften_backward,                                                                      \
      (T * dp, const T* p, const T* out, const T* d_out, int64_t D, const BlockRows& rows), \
      (dp, p, out, d_out, D, rows))                                                         \
  DEMIX_KERNEL(add_to, (float* sum, const T* x, int64_t n), (sum, x, n))                    \
  DEMIX_KERNEL(round_to, (T * to, const float* x, int64_t n), (to, x, n))
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR

template <typename T>
T* data(const Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

std::vector<Block> blocks_of_row(const int32_t* begins, int64_t length) {
  std::vector<Block> blocks;
  for (int64_t begin = 0; begin < length; begin += kQueryBlock) {
    const int64_t end = std::min(begin + kQueryBlock, length);
    // Documents follow one another: the block's first query reaches back furthest.
    blocks.push_back({begin, end, begins[begin] / kKeyStep * kKeyStep});
  }
  return blocks;
}

// The products and loops of one call, on the element type T.
template <typename T>
class Attention {
 public:
  Attention(const PackedAttention::Rows& rows, const Tensor& q, const Tensor& k, const Tensor& v)
      : rows_(rows),
        q_(q),
        k_(k),
        v_(v),
        length_(rows.length),
        heads_(q.size(1)),
        groups_(k.size(1)),
        dim_(q.size(2)),
        scale_(1.0f / std::sqrt(static_cast<float>(dim_))) {
    const int64_t block = std::min(kQueryBlock, length_);
    // Two buffers of scores, gathered operands and results of one block.
    scores_ = at::empty({heads_ * block * length_}, q.options());
    queries_ = at::empty({heads_ * block * dim_}, q.options());
    result_ = at::empty({heads_ * std::max(block, length_) * dim_}, q.options());
    keys_ = at::empty({groups_, length_, dim_}, q.options());
    values_ = at::empty({groups_, length_, dim_}, q.options());
    exps_.resize(static_cast<size_t>((length_ + kLanes - 1) / kLanes * kLanes));
  }

  // normalisers [N, H]
  void forward(const Tensor& out, const Tensor& normalisers) {
    for_each_block([&](int64_t row, const Block& b, const int32_t* begins) {
      const Tensor p = scores(b);
      soften(data<T>(p),
             data<float>(normalisers) + row * length_ * heads_,
             {begins, b, heads_, scale_},
             exps_.data());
      const Tensor o = part(result_, {groups_, heads_ / groups_ * b.queries(), dim_});
      at::bmm_out(const_cast<Tensor&>(o), p, values(b));
      scatter(data<T>(out), o, row, b);
    });
  }

  void backward(const Tensor& out,
                const Tensor& normalisers,
                const Tensor& d_out,
                const Tensor& dq,
                const Tensor& dk,
                const Tensor& dv) {
    const Tensor d_scores = at::empty_like(scores_);
    const Tensor d_out_block = at::empty_like(queries_);
    const auto sums = q_.options().dtype(at::kFloat);
    const Tensor dk_row = at::empty({groups_, length_, dim_}, sums);
    const Tensor dv_row = at::empty({groups_, length_, dim_}, sums);
    for_each_block([&](int64_t row, const Block& b, const int32_t* begins) {
      if (b.begin == 0) {
        dk_row.zero_();
        dv_row.zero_();
      }
      const int64_t from = row * length_ * heads_;
      const Tensor p = scores(b);
      const BlockRows rows{begins, b, heads_, scale_};
      soften_again(data<T>(p), data<float>(normalisers) + from, rows);
      const Tensor d_o = gather(d_out_block, data<T>(d_out), row, b);
      add_to_keys(dv_row, p, d_o, b);
      const Tensor ds = part(d_scores, {p.size(0), p.size(1), p.size(2)});
      at::bmm_out(const_cast<Tensor&>(ds), d_o, values(b).transpose(1, 2));
      soften_backward(data<T>(ds),
                      data<T>(p),
                      data<T>(out) + from * dim_,
                      data<T>(d_out) + from * dim_,
                      dim_,
                      rows);
      add_to_keys(dk_row, ds, queries(b), b);
      const Tensor d_q = part(result_, {groups_, heads_ / groups_ * b.queries(), dim_});
      at::bmm_out(const_cast<Tensor&>(d_q), ds, keys(b));
      scatter(data<T>(dq), d_q, row, b);
      if (b.end == length_) {
        scatter_keys(data<T>(dk), data<float>(dk_row), row);
        scatter_keys(data<T>(dv), data<float>(dv_row), row);
      }
    });
  }

 private:
  template <typename F>
  void for_each_block(F&& f) {
    const auto rows = static_cast<int64_t>(rows_.begins.size()) / length_;
    for (int64_t row = 0; row < rows; ++row) {
      const int32_t* begins = rows_.begins.data() + row * length_;
      by_group(data<T>(keys_), data<T>(k_) + row * length_ * groups_ * dim_);
      by_group(data<T>(values_), data<T>(v_) + row * length_ * groups_ * dim_);
      for (const Block& block : blocks_of_row(begins, length_)) {
        gather(queries_, data<T>(q_), row, block);
        f(row, block, begins);
      }
    }
  }

  static Tensor part(const Tensor& buffer, at::IntArrayRef sizes) {
    return buffer.narrow(0, 0, c10::multiply_integers(sizes)).view(sizes);
  }
  Tensor queries(const Block& b) const {
    return part(queries_, {groups_, heads_ / groups_ * b.queries(), dim_});
  }
  Tensor keys(const Block& b) const { return keys_.narrow(1, b.first_key, b.keys()); }
  Tensor values(const Block& b) const { return values_.narrow(1, b.first_key, b.keys()); }
  // Unscaled scores [G, H/G * queries, keys].
  Tensor scores(const Block& b) const {
    Tensor s = part(scores_, {groups_, heads_ / groups_ * b.queries(), b.keys()});
    at::bmm_out(s, queries(b), keys(b).transpose(1, 2));
    return s;
  }

  // [T, G, D] -> [G, T, D].
  void by_group(T* to, const T* from) const {
    for (int64_t g = 0; g < groups_; ++g)
      for (int64_t t = 0; t < length_; ++t, to += dim_)
        std::memcpy(to, from + (t * groups_ + g) * dim_, dim_ * sizeof(T));
  }
  // The block's queries of x [N, H, D] as [H, queries, D].
  Tensor gather(const Tensor& buffer, const T* x, int64_t row, const Block& b) const {
    T* to = data<T>(buffer);
    for (int64_t h = 0; h < heads_; ++h)
      for (int64_t i = b.begin; i < b.end; ++i, to += dim_)
        std::memcpy(to, x + ((row * length_ + i) * heads_ + h) * dim_, dim_ * sizeof(T));
    return part(buffer, {groups_, heads_ / groups_ * b.queries(), dim_});
  }
  void scatter(T* x, const Tensor& block, int64_t row, const Block& b) const {
    const T* from = data<T>(block);
    for (int64_t h = 0; h < heads_; ++h)
      for (int64_t i = b.begin; i < b.end; ++i, from += dim_)
        std::memcpy(x + ((row * length_ + i) * heads_ + h) * dim_, from, dim_ * sizeof(T));
  }
  // sum [G, T, D] += weightsᵀ x, at the block's keys.
  void add_to_keys(const Tensor& sum, const Tensor& weights, const Tensor& x, const Block& b) {
    Tensor product = part(result_, {groups_, b.keys(), dim_});
    at::bmm_out(product, weights.transpose(1, 2), x);
    for (int64_t g = 0; g < groups_; ++g)
      add_to(data<float>(sum) + (g * length_ + b.first_key) * dim_,
             data<T>(product) + g * b.keys() * dim_,
             b.keys() * dim_);
  }
  void scatter_keys(T* x, const float* from, int64_t row) const {
    for (int64_t g = 0; g < groups_; ++g)
      for (int64_t t = 0; t < length_; ++t, from += dim_)
        round_to(x + ((row * length_ + t) * groups_ + g) * dim_, from, dim_);
  }

  const PackedAttention::Rows& rows_;
  Tensor q_, k_, v_;
  int64_t length_, heads_, groups_, dim_;
  float scale_;
  Tensor scores_, queries_, result_, keys_, values_;
  std::vector<float> exps_;
};

template <typename F>
void dispatch(const Tensor& x, F&& f) {
  if (x.scalar_type() == at::kBFloat16)
    f(BFloat16{});
  else
    f(float{});
}

struct BlockedAttention : torch::autograd::Function<BlockedAttention> {
  static Variable forward(AutogradContext* context,
                          const Variable& q_,
                          const Variable& k_,
                          const Variable& v_,
                          const std::shared_ptr<const PackedAttention::Rows>& rows) {
    const Tensor q = q_.contiguous(), k = k_.contiguous(), v = v_.contiguous();
    const Tensor out = at::empty_like(q);
    const Tensor normalisers = at::empty({q.size(0), q.size(1)}, q.options().dtype(at::kFloat));
    dispatch(q, [&]<typename T>(T) { Attention<T>(*rows, q, k, v).forward(out, normalisers); });
    context->save_for_backward({q, k, v, out, normalisers});
    context->saved_data["rows"] = c10::IValue::make_capsule(c10::make_intrusive<Held>(rows));
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto held =
        c10::static_intrusive_pointer_cast<Held>(context->saved_data["rows"].toCapsule());
    const Tensor dq = at::empty_like(saved[0]), dk = at::empty_like(saved[1]),
                 dv = at::empty_like(saved[2]);
    dispatch(saved[0], [&]<typename T>(T) {
      Attention<T>(*held->rows, saved[0], saved[1], saved[2])
          .backward(saved[3], saved[4], gradients[0].contiguous(), dq, dk, dv);
    });
    return {dq, dk, dv, {}};
  }
  struct Held : torch::CustomClassHolder {
    explicit Held(std::shared_ptr<const PackedAttention::Rows> r) : rows(std::move(r)) {}
    std::shared_ptr<const PackedAttention::Rows> rows;
  };
};

// True where a query sees a key, [B, 1, T, T].
Tensor mask_of(const PackedAttention::Rows& rows, at::Device device) {
  const auto count = static_cast<int64_t>(rows.begins.size());
  const Tensor begins =
      at::tensor(rows.begins, at::kInt).view({count / rows.length, 1, rows.length, 1});
  const Tensor keys = at::arange(rows.length, at::kInt).view({1, 1, 1, rows.length});
  const Tensor queries = keys.view({1, 1, rows.length, 1});
  return ((keys >= begins) & (keys <= queries)).to(device);
}

}  // namespace

PackedAttention::PackedAttention(std::span<const int32_t> begins, int64_t length, at::Device device)
    : rows_(std::make_shared<const Rows>(
          Rows{std::vector<int32_t>(begins.begin(), begins.end()), length})) {
  DEMIX_CHECK(length > 0 && begins.size() % length == 0);
  for (size_t i = 0; i < begins.size(); ++i) {
    const auto column = static_cast<int32_t>(i % length);
    DEMIX_CHECK(begins[i] <= column && begins[i] >= (column == 0 ? 0 : begins[i - 1]));
  }
  if (!device.is_cpu()) mask_ = mask_of(*rows_, device);
}

Tensor PackedAttention::operator()(const Tensor& queries,
                                   const Tensor& keys,
                                   const Tensor& values) const {
  DEMIX_CHECK(queries.size(0) == static_cast<int64_t>(rows_->begins.size()));
  if (queries.device().is_cpu() &&
      (queries.scalar_type() == at::kFloat || queries.scalar_type() == at::kBFloat16))
    return BlockedAttention::apply(queries, keys, values, rows_);

  const Tensor mask = mask_.defined() ? mask_ : mask_of(*rows_, queries.device());
  const int64_t repeats = queries.size(1) / keys.size(1);
  const auto by_row = [&](const Tensor& x) {
    return x.view({-1, rows_->length, x.size(1), x.size(2)}).transpose(1, 2);
  };
  const auto for_heads = [&](const Tensor& x) {
    return repeats == 1 ? by_row(x) : by_row(x).repeat_interleave(repeats, 1);
  };
  return at::scaled_dot_product_attention(by_row(queries), for_heads(keys), for_heads(values), mask)
      .transpose(1, 2)
      .reshape(queries.sizes());
}

}  // namespace demix
