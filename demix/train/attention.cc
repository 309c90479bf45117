#include "demix/train/attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "demix/core/error.h"
#include "demix/model/simd.h"

namespace demix {

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr int64_t kQueryBlock = 256;
// First keys are rounded down to this, so that few shapes of products occur.
constexpr int64_t kKeyStep = 64;

// Scores of one query in place to probabilities; [first, last) are the keys it may see. Returns the
// log of the normaliser.
template <typename T>
DEMIX_INLINE float softmax_row(T* row, int64_t keys, int64_t first, int64_t last, float scale) {
  float top = to_float(row[first]);
#pragma omp simd reduction(max : top)
  for (int64_t j = first; j < last; ++j) top = to_float(row[j]) > top ? to_float(row[j]) : top;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = first; j < last; ++j) sum += exp_float((to_float(row[j]) - top) * scale);
  const float normaliser = top * scale + std::log(sum);
  for (int64_t j = 0; j < first; ++j) store(row[j], 0);
#pragma omp simd
  for (int64_t j = first; j < last; ++j)
    store(row[j], exp_float(to_float(row[j]) * scale - normaliser));
  for (int64_t j = last; j < keys; ++j) store(row[j], 0);
  return normaliser;
}

// Scores to the probabilities of the forward pass.
template <typename T>
DEMIX_INLINE void softmax_row_again(
    T* row, int64_t keys, int64_t first, int64_t last, float scale, float normaliser) {
  for (int64_t j = 0; j < first; ++j) store(row[j], 0);
#pragma omp simd
  for (int64_t j = first; j < last; ++j)
    store(row[j], exp_float(to_float(row[j]) * scale - normaliser));
  for (int64_t j = last; j < keys; ++j) store(row[j], 0);
}

// Gradient of the probabilities in place to the gradient of the unscaled scores: p (dp - Σ p dp)
// scale, where Σ p dp = Σ_d out d_out.
template <typename T>
DEMIX_INLINE void softmax_row_backward(T* dp,
                                       const T* p,
                                       const T* out,
                                       const T* d_out,
                                       int64_t D,
                                       int64_t keys,
                                       int64_t first,
                                       int64_t last,
                                       float scale) {
  float mean = 0;
#pragma omp simd reduction(+ : mean)
  for (int64_t d = 0; d < D; ++d) mean += to_float(out[d]) * to_float(d_out[d]);
  for (int64_t j = 0; j < first; ++j) store(dp[j], 0);
#pragma omp simd
  for (int64_t j = first; j < last; ++j)
    store(dp[j], to_float(p[j]) * (to_float(dp[j]) - mean) * scale);
  for (int64_t j = last; j < keys; ++j) store(dp[j], 0);
}

// One block: queries [begin, end) of a row against keys [first_key, end) of it.
struct Block {
  int64_t begin, end, first_key;
  int64_t queries() const { return end - begin; }
  int64_t keys() const { return end - first_key; }
};

// All rows of scores of a block are ordered (head, query): one group's heads form one product.
template <typename T>
DEMIX_INLINE void softmax_block(T* scores,
                                float* normalisers,
                                const int32_t* begins,
                                const Block& b,
                                int64_t heads,
                                float scale) {
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t i = b.begin; i < b.end; ++i, scores += b.keys())
      normalisers[i * heads + h] =
          softmax_row(scores, b.keys(), begins[i] - b.first_key, i + 1 - b.first_key, scale);
}
template <typename T>
DEMIX_INLINE void softmax_block_again(T* scores,
                                      const float* normalisers,
                                      const int32_t* begins,
                                      const Block& b,
                                      int64_t heads,
                                      float scale) {
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t i = b.begin; i < b.end; ++i, scores += b.keys())
      softmax_row_again(scores,
                        b.keys(),
                        begins[i] - b.first_key,
                        i + 1 - b.first_key,
                        scale,
                        normalisers[i * heads + h]);
}
template <typename T>
DEMIX_INLINE void softmax_block_backward(T* dp,
                                         const T* p,
                                         const T* out,
                                         const T* d_out,
                                         const int32_t* begins,
                                         const Block& b,
                                         int64_t heads,
                                         int64_t D,
                                         float scale) {
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t i = b.begin; i < b.end; ++i, dp += b.keys(), p += b.keys())
      softmax_row_backward(dp,
                           p,
                           out + (i * heads + h) * D,
                           d_out + (i * heads + h) * D,
                           D,
                           b.keys(),
                           begins[i] - b.first_key,
                           i + 1 - b.first_key,
                           scale);
}

#define DEMIX_FOR_BOTH(T)                                                  \
  DEMIX_CLONES void run_softmax(T* scores,                                 \
                                float* normalisers,                        \
                                const int32_t* begins,                     \
                                const Block& b,                            \
                                int64_t heads,                             \
                                float scale) {                             \
    softmax_block(scores, normalisers, begins, b, heads, scale);           \
  }                                                                        \
  DEMIX_CLONES void run_softmax_again(T* scores,                           \
                                      const float* normalisers,            \
                                      const int32_t* begins,               \
                                      const Block& b,                      \
                                      int64_t heads,                       \
                                      float scale) {                       \
    softmax_block_again(scores, normalisers, begins, b, heads, scale);     \
  }                                                                        \
  DEMIX_CLONES void run_softmax_backward(T* dp,                            \
                                         const T* p,                       \
                                         const T* out,                     \
                                         const T* d_out,                   \
                                         const int32_t* begins,            \
                                         const Block& b,                   \
                                         int64_t heads,                    \
                                         int64_t D,                        \
                                         float scale) {                    \
    softmax_block_backward(dp, p, out, d_out, begins, b, heads, D, scale); \
  }                                                                        \
  DEMIX_CLONES void run_add(float* sum, const T* x, int64_t n) {           \
    for (int64_t i = 0; i < n; ++i) sum[i] += to_float(x[i]);              \
  }                                                                        \
  DEMIX_CLONES void run_store(T* to, const float* x, int64_t n) {          \
    for (int64_t i = 0; i < n; ++i) store(to[i], x[i]);                    \
  }
DEMIX_FOR_BOTH(float)
DEMIX_FOR_BOTH(Bf16)
#undef DEMIX_FOR_BOTH

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
  }

  // normalisers [N, H]
  void forward(const Tensor& out, const Tensor& normalisers) {
    for_each_block([&](int64_t row, const Block& b, const int32_t* begins) {
      const Tensor p = scores(b);
      run_softmax(
          data<T>(p), data<float>(normalisers) + row * length_ * heads_, begins, b, heads_, scale_);
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
      run_softmax_again(data<T>(p), data<float>(normalisers) + from, begins, b, heads_, scale_);
      const Tensor d_o = gather(d_out_block, data<T>(d_out), row, b);
      add_to_keys(dv_row, p, d_o, b);
      const Tensor ds = part(d_scores, {p.size(0), p.size(1), p.size(2)});
      at::bmm_out(const_cast<Tensor&>(ds), d_o, values(b).transpose(1, 2));
      run_softmax_backward(data<T>(ds),
                           data<T>(p),
                           data<T>(out) + from * dim_,
                           data<T>(d_out) + from * dim_,
                           begins,
                           b,
                           heads_,
                           dim_,
                           scale_);
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
      run_add(data<float>(sum) + (g * length_ + b.first_key) * dim_,
              data<T>(product) + g * b.keys() * dim_,
              b.keys() * dim_);
  }
  void scatter_keys(T* x, const float* from, int64_t row) const {
    for (int64_t g = 0; g < groups_; ++g)
      for (int64_t t = 0; t < length_; ++t, from += dim_)
        run_store(x + ((row * length_ + t) * groups_ + g) * dim_, from, dim_);
  }

  const PackedAttention::Rows& rows_;
  Tensor q_, k_, v_;
  int64_t length_, heads_, groups_, dim_;
  float scale_;
  Tensor scores_, queries_, result_, keys_, values_;
};

template <typename F>
void dispatch(const Tensor& x, F&& f) {
  if (x.scalar_type() == at::kBFloat16)
    f(Bf16{});
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
