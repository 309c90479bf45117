#include "demix/merge/components.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/error.h"

namespace demix {
namespace {

Architecture pico() {
  Architecture pico;
  pico.vocabulary = 64;
  pico.hidden = 32;
  pico.layers = 2;
  pico.heads = 4;
  pico.kv_heads = 2;
  pico.head_dim = 8;
  pico.intermediate = 48;
  return pico;
}

struct Fixture {
  Weights base = initial_weights(pico(), Rng(1));
  Weights a = initial_weights(pico(), Rng(2));
  Weights b = initial_weights(pico(), Rng(3));
  Components components(at::ScalarType dtype = at::kFloat) const {
    return Components(pico(), {"a", "b"}, {a, b}, base, dtype, at::kCPU);
  }
};

double largest_difference(const at::Tensor& x, const at::Tensor& y) {
  return (x.to(at::kDouble) - y.to(at::kDouble)).abs().max().item<double>();
}

TEST(Components, AMergeIsTheWeightedSumAndIsSeenThroughTheViews) {
  const Fixture f;
  const Components components = f.components();
  Weights out = components.allocate(at::kFloat);
  components.merge(std::vector<double>{0.25, 0.75}, 1, out);
  EXPECT_LT(largest_difference(out.flat, 0.25 * f.a.flat + 0.75 * f.b.flat), 1e-7);
  EXPECT_LT(largest_difference(out.tensors[3], 0.25 * f.a.tensors[3] + 0.75 * f.b.tensors[3]),
            1e-7);
}

TEST(Components, TheScaleShrinksTheUpdatesTowardsTheBase) {
  const Fixture f;
  const Components components = f.components();
  Weights out = components.allocate(at::kFloat);
  components.merge(std::vector<double>{0.4, 0.6}, 0.5, out);
  const at::Tensor expected =
      f.base.flat + 0.5 * (0.4 * (f.a.flat - f.base.flat) + 0.6 * (f.b.flat - f.base.flat));
  EXPECT_LT(largest_difference(out.flat, expected), 1e-6);
  components.merge(std::vector<double>{0.4, 0.6}, 0, out);
  EXPECT_LT(largest_difference(out.flat, f.base.flat), 1e-7);
}

TEST(Components, Bfloat16MergesStayWithinOneRounding) {
  const Fixture f;
  const Components components = f.components(at::kBFloat16);
  Weights out = components.allocate(at::kBFloat16);
  components.merge(std::vector<double>{0.5, 0.5}, 1, out);
  const at::Tensor exact =
      0.5 * (f.a.flat.to(at::kBFloat16).to(at::kFloat) + f.b.flat.to(at::kBFloat16).to(at::kFloat));
  EXPECT_TRUE(at::equal(out.flat, exact.to(at::kBFloat16)));
}

TEST(Components, DriftAndCosinesFollowTheirDefinitions) {
  const Fixture f;
  const Weights doubled = weights_over(pico(), f.base.flat * 2);
  const Components components(
      pico(), {"twice", "base"}, {doubled, f.base}, f.base, at::kFloat, at::kCPU);
  EXPECT_NEAR(components.drifts()[0], 1.0 / 3, 1e-6);
  EXPECT_EQ(components.drifts()[1], 0);
  EXPECT_NEAR(components.cosines()[0][0], 1, 1e-6);
  EXPECT_EQ(components.cosines()[0][1], 0);
}

TEST(Components, AWeightThatIsNotFiniteIsRefusedByName) {
  const Fixture f;
  const Components components = f.components();
  Weights out = components.allocate(at::kFloat);
  EXPECT_THROW(components.merge(std::vector<double>{0.5, NAN}, 1, out), Error);
  EXPECT_THROW(components.merge(std::vector<double>{1}, 1, out), Error);
}

}  // namespace
}  // namespace demix
