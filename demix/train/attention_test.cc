#include "demix/train/attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace demix {
namespace {

using at::Tensor;

struct Inputs {
  Tensor q, k, v;  // [N, heads, D], float64
};

Inputs inputs(int64_t N, int64_t H, int64_t G, int64_t D) {
  const auto values = [&](int64_t heads, double frequency) {
    return at::sin(at::arange(N * heads * D, at::kDouble) * frequency).view({N, heads, D}).mul(2);
  };
  return {values(H, 0.71), values(G, 1.37), values(G, 0.93)};
}

// Softmax over each document alone, head by head, written out.
Tensor expected(const Inputs& in, const std::vector<int32_t>& begins, int64_t T) {
  const int64_t N = in.q.size(0), H = in.q.size(1), G = in.k.size(1), D = in.q.size(2);
  std::vector<Tensor> out;
  for (int64_t n = 0; n < N; ++n) {
    const int64_t first = n / T * T + begins[n];
    for (int64_t h = 0; h < H; ++h) {
      const Tensor keys = in.k.narrow(0, first, n + 1 - first).select(1, h / (H / G));
      const Tensor values = in.v.narrow(0, first, n + 1 - first).select(1, h / (H / G));
      const Tensor scores = at::mv(keys, in.q[n][h]) / std::sqrt(static_cast<double>(D));
      out.push_back(at::mv(values.t(), at::softmax(scores, 0)));
    }
  }
  return at::stack(out).view({N, H, D});
}

void expect_right(int64_t T, const std::vector<int32_t>& begins, int64_t H, int64_t G) {
  const Inputs exact = inputs(static_cast<int64_t>(begins.size()), H, G, 8);
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    // Scores, probabilities and results are rounded to bfloat16's 8 bits.
    const double tolerance = dtype == at::kBFloat16 ? 3e-2 : dtype == at::kFloat ? 2e-5 : 1e-12;
    const auto copy = [](const Inputs& x, at::ScalarType to) {
      const auto one = [&](const Tensor& t) {
        return t.detach().to(to, /*non_blocking=*/false, /*copy=*/true);
      };
      return Inputs{one(x.q), one(x.k), one(x.v)};
    };
    Inputs in = copy(exact, dtype), wide = copy(in, at::kDouble);
    for (Tensor* x : {&in.q, &in.k, &in.v, &wide.q, &wide.k, &wide.v}) x->requires_grad_();
    const Tensor y = PackedAttention(begins, T, at::kCPU)(in.q, in.k, in.v);
    const Tensor z = expected(wide, begins, T);
    EXPECT_TRUE(at::allclose(y.to(at::kDouble), z, 0, tolerance)) << at::toString(dtype);
    const Tensor d = at::cos(at::arange(y.numel(), at::kDouble)).view(y.sizes()).to(dtype);
    y.backward(d);
    z.backward(d.to(at::kDouble));
    for (const auto& [a, b] :
         {std::pair(in.q, wide.q), std::pair(in.k, wide.k), std::pair(in.v, wide.v)})
      EXPECT_TRUE(at::allclose(
          a.grad().to(at::kDouble), b.grad(), 0, tolerance * b.grad().abs().max().item<double>()))
          << at::toString(dtype);
  }
}

TEST(PackedAttention, IsSoftmaxOverTheTokensOwnDocument) {
  expect_right(6, {0, 0, 0, 3, 3, 5, 0, 0, 0, 0, 0, 0}, 4, 2);
}

TEST(PackedAttention, HoldsAcrossBlocksOfQueries) {
  // Two blocks of queries; a document spans them, and the second block's keys begin within the
  // first.
  std::vector<int32_t> begins(300);
  for (int32_t t = 0; t < 300; ++t) begins[t] = t < 130 ? 0 : t < 290 ? 130 : 290;
  expect_right(300, begins, 2, 1);
}

TEST(PackedAttention, WhatADocumentSeesDoesNotDependOnItsNeighbours) {
  Inputs a = inputs(8, 2, 2, 8);
  const PackedAttention attention(std::vector<int32_t>{0, 0, 0, 0, 4, 4, 4, 4}, 8, at::kCPU);
  const auto second = [&] {
    return attention(a.q.to(at::kFloat), a.k.to(at::kFloat), a.v.to(at::kFloat))
        .narrow(0, 4, 4)
        .clone();
  };
  const Tensor before = second();
  for (Tensor* x : {&a.q, &a.k, &a.v}) x->narrow(0, 0, 4).mul_(-3);
  EXPECT_TRUE(at::equal(second(), before));
}

}  // namespace
}  // namespace demix
