#include "demix/train/loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace demix {
namespace {

using at::Tensor;

Tensor values(at::IntArrayRef sizes, double frequency) {
  return at::sin(at::arange(c10::multiply_integers(sizes), at::kDouble) * frequency).view(sizes);
}

TEST(HeadLoss, EqualsCrossEntropyAndItsGradients) {
  const int64_t N = 300, C = 8, V = 50;  // three blocks of tokens
  std::vector<int32_t> targets(N);
  std::vector<uint8_t> predicts(N);
  for (int64_t i = 0; i < N; ++i) {
    targets[i] = static_cast<int32_t>(i * 7 % V);
    predicts[i] = i % 5 != 0;
  }
  const double scale = 0.01;
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const double tolerance = dtype == at::kBFloat16 ? 1e-2 : dtype == at::kFloat ? 1e-6 : 1e-14;
    const Tensor hidden = values({N, C}, 0.7).to(dtype), head = values({V, C}, 0.3).to(dtype);
    const Tensor h = hidden.to(at::kDouble).requires_grad_(),
                 w = head.to(at::kDouble).requires_grad_();
    const Tensor log_p = at::log_softmax(at::mm(h, w.t()), 1);
    Tensor sum = at::zeros({}, at::kDouble);
    for (int64_t i = 0; i < N; ++i)
      if (predicts[i]) sum = sum - log_p[i][targets[i]];
    (sum * scale).backward();

    const auto wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
    const Tensor d_head = at::ones({V, C}, wide);
    const HeadLoss loss = head_loss(hidden, head, targets, predicts, scale, d_head);
    EXPECT_NEAR(loss.sum, sum.item<double>(), tolerance * sum.item<double>());
    const auto close = [&](const Tensor& a, const Tensor& b) {
      return at::allclose(a.to(at::kDouble), b, 0, tolerance * b.abs().max().item<double>());
    };
    EXPECT_TRUE(close(loss.d_hidden_NC, h.grad())) << at::toString(dtype);
    EXPECT_TRUE(at::allclose((d_head - 1).to(at::kDouble), w.grad(), 0, std::max(1e-6, tolerance)))
        << at::toString(dtype);
  }
}

TEST(HeadLoss, OfEqualLogitsIsTheLogOfTheVocabulary) {
  const Tensor d_head = at::zeros({50, 8});
  const HeadLoss loss = head_loss(at::zeros({2, 8}),
                                  at::ones({50, 8}),
                                  std::vector<int32_t>{3, 4},
                                  std::vector<uint8_t>{1, 1},
                                  1,
                                  d_head);
  EXPECT_NEAR(loss.sum, 2 * std::log(50.0), 1e-6);
}

TEST(HeadLoss, ShowsALossThatIsNotANumber) {
  const Tensor d_head = at::zeros({50, 8});
  const HeadLoss loss = head_loss(at::full({1, 8}, NAN),
                                  at::ones({50, 8}),
                                  std::vector<int32_t>{5},
                                  std::vector<uint8_t>{1},
                                  1,
                                  d_head);
  EXPECT_FALSE(std::isfinite(loss.sum));
}

}  // namespace
}  // namespace demix
