#include "demix/model/kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "demix/model/scalar_math.h"

namespace demix {
namespace {

using at::Tensor;
using Operation = std::function<Tensor(const std::vector<Tensor>&)>;

// bfloat16 keeps 8 bits; float32 results differ by the order of sums.
double tolerance(at::ScalarType dtype) { return dtype == at::kBFloat16 ? 2e-2 : 2e-6; }

// The kernel in `dtype` gives value and gradients of `expression` in float64, up to rounding.
void expect_same(const Operation& kernel,
                 const Operation& expression,
                 const std::vector<Tensor>& inputs) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    std::vector<Tensor> rounded, wide;
    for (const Tensor& input : inputs) {
      const bool counts = !input.is_floating_point();
      rounded.push_back(counts ? input : input.to(dtype).requires_grad_());
      wide.push_back(counts ? input : rounded.back().detach().to(at::kDouble).requires_grad_());
    }
    const Tensor y = kernel(rounded), expected = expression(wide);
    ASSERT_EQ(y.scalar_type(), dtype);
    EXPECT_TRUE(at::allclose(y.to(at::kDouble), expected, tolerance(dtype), tolerance(dtype)));
    const Tensor d = at::cos(at::arange(y.numel(), at::kFloat)).view(y.sizes()).to(dtype);
    y.backward(d);
    expected.backward(d.to(at::kDouble));
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].is_floating_point()) continue;
      const double scale = wide[i].grad().abs().max().item<double>();
      EXPECT_TRUE(at::allclose(
          rounded[i].grad().to(at::kDouble), wide[i].grad(), 0, tolerance(dtype) * scale))
          << "gradient of input " << i << " in " << at::toString(dtype);
    }
  }
}

Tensor values(at::IntArrayRef sizes, double frequency) {
  return at::sin(at::arange(c10::multiply_integers(sizes), at::kDouble) * frequency)
      .view(sizes)
      .mul(2);
}

TEST(RmsNorm, HasValueAndGradientsOfItsFormula) {
  const Operation expression = [](const std::vector<Tensor>& in) {
    return in[0] * (in[0].square().mean(-1, true) + 1e-5).rsqrt() * in[1];
  };
  const Operation kernel = [](const std::vector<Tensor>& in) {
    return rms_norm(in[0], in[1], 1e-5);
  };
  expect_same(kernel, expression, {values({5, 37}, 0.7), values({37}, 0.3)});
  expect_same(kernel, expression, {values({3, 4, 8}, 0.7), values({8}, 0.3)});
}

TEST(Swiglu, HasValueAndGradientsOfItsFormula) {
  expect_same([](const std::vector<Tensor>& in) { return swiglu(in[0], in[1]); },
              [](const std::vector<Tensor>& in) { return in[0] * at::sigmoid(in[0]) * in[1]; },
              {values({5, 37}, 0.7).mul(5), values({5, 37}, 1.3)});
}

TEST(ApplyRope, RotatesPairsOfHalvesByTheirAngles) {
  const Tensor angles = at::arange(15, at::kFloat).view({5, 1, 3});
  const Tensor cos = angles.cos(), sin = angles.sin();
  expect_same([&](const std::vector<Tensor>& in) { return apply_rope(in[0], cos, sin); },
              [&](const std::vector<Tensor>& in) {
                const Tensor a = in[0].narrow(-1, 0, 3), b = in[0].narrow(-1, 3, 3);
                return at::cat({a * cos - b * sin, b * cos + a * sin}, -1);
              },
              {values({5, 2, 6}, 0.7)});
}

TEST(Embed, SumsTheGradientOfRepeatedIds) {
  const Tensor ids = at::tensor({3, 0, 3, 3, 1, 0}, at::kLong);
  expect_same([&](const std::vector<Tensor>& in) { return embed(in[0], ids); },
              [&](const std::vector<Tensor>& in) { return in[0].index_select(0, ids); },
              {values({5, 17}, 0.7)});
}

TEST(Embed, ManySmallGradientsOfOneIdAreNotLostInBfloat16) {
  const Tensor table = at::zeros({2, 1}, at::kBFloat16).requires_grad_();
  const Tensor y = embed(table, at::zeros({4096}, at::kLong));
  y.backward(at::ones({4096, 1}, at::kBFloat16));
  EXPECT_EQ(table.grad()[0].item<float>(), 4096);  // a running sum in bfloat16 stops at 256
}

TEST(Kernels, ATokensValuesDoNotDependOnTheOthers) {
  const Tensor gate = values({9, 37}, 0.7).to(at::kFloat), up = values({9, 37}, 0.9).to(at::kFloat);
  const Tensor weight = values({37}, 0.3).to(at::kFloat);
  for (int64_t i = 0; i < 9; ++i) {
    EXPECT_TRUE(
        at::equal(swiglu(gate, up)[i], swiglu(gate.narrow(0, i, 1), up.narrow(0, i, 1))[0]));
    EXPECT_TRUE(at::equal(rms_norm(gate, weight, 1e-5)[i],
                          rms_norm(gate.narrow(0, i, 1), weight, 1e-5)[0]));
  }
}

TEST(Simd, BfloatRoundsToNearestEvenAndKeepsNan) {
  for (const float x :
       {0.0f, 1.0f, 1.00390625f, 1.01171875f, -3.14159f, 1e-40f, 3.4e38f, INFINITY}) {
    BFloat16 y;
    store(y, x);
    EXPECT_EQ(to_float(y), static_cast<float>(c10::BFloat16(x))) << x;
  }
  BFloat16 y;
  store(y, NAN);
  EXPECT_TRUE(std::isnan(to_float(y)));
}

TEST(Simd, ExpIsAccurateToAFewUnitsInTheLastPlace) {
  double worst = 0;
  for (float x = -80; x < 80; x += 0.0103f)
    worst = std::max(worst, std::abs(exp_float(x) / std::exp(double{x}) - 1));
  EXPECT_LT(worst, 2e-7);
  EXPECT_TRUE(std::isnan(exp_float(NAN)));
  EXPECT_LT(exp_float(-INFINITY), 1e-37f);
}

}  // namespace
}  // namespace demix
