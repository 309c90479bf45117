#include "demix/train/gradient.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/error.h"
#include "demix/train/pico.h"

namespace demix {
namespace {

using at::Tensor;

struct Result {
  double loss;
  Tensor gradient;
};

Result gradient_of(const Architecture& a,
                   const Tensor& weights,
                   const PackedBatch& batch,
                   int64_t rows_per_pass = 0,
                   int threads = 1) {
  const Decoder decoder(a, at::kCPU);
  BatchGradient gradient_of(
      decoder, weights.scalar_type(), at::kCPU, rows_per_pass, batch.length, threads);
  const auto dtype = weights.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor gradient = at::full({weights.numel()}, NAN, dtype);
  const double loss = gradient_of(weights, batch, gradient);
  return {loss, gradient};
}

PackedBatch two_rows() {
  Rng rng(5);
  const auto document = [&](int64_t tokens) { return random_document(rng, tokens, 64); };
  return packed({{document(7), document(9)}, {document(16)}});
}

// Larger than the usual initialisation, so that every parameter matters.
Tensor pico_weights(const Architecture& a) { return initial_weights(a, Rng(1)).flat.mul_(4); }

TEST(BatchGradient, AgreesWithDifferencesOfTheLossInFloat64) {
  Architecture qwen = pico();
  qwen.family = Family::kQwen3;
  qwen.qk_norm = true;
  qwen.tied_embeddings = false;
  Architecture biased = pico();
  biased.family = Family::kQwen2;
  biased.qkv_bias = true;
  for (const Architecture& a : {pico(), qwen, biased}) {
    const PackedBatch batch = two_rows();
    const Tensor weights = pico_weights(a).to(at::kDouble);
    const Tensor gradient = gradient_of(a, weights, batch).gradient;
    Rng rng(9);
    for (const ParameterSpec& parameter : parameter_layout(a)) {
      // Along a random direction of each parameter, of length one.
      Tensor direction = at::zeros_like(weights);
      for (int64_t i = 0; i < parameter.count; ++i) direction[parameter.offset + i] = rng.normal();
      direction.div_(direction.norm());
      const double h = 1e-5;
      const double difference = (gradient_of(a, weights + h * direction, batch).loss -
                                 gradient_of(a, weights - h * direction, batch).loss) /
                                (2 * h);
      const double slope = at::dot(gradient, direction).item<double>();
      EXPECT_NEAR(slope, difference, 1e-7 * gradient.norm().item<double>()) << parameter.name;
    }
  }
}

TEST(BatchGradient, InFloat32AndBfloat16IsThatOfFloat64UpToRounding) {
  const Architecture a = pico();
  const Tensor weights = pico_weights(a).to(at::kBFloat16);
  const PackedBatch batch = two_rows();
  const Result exact = gradient_of(a, weights.to(at::kDouble), batch);
  const Result single = gradient_of(a, weights.to(at::kFloat), batch);
  const Result half = gradient_of(a, weights, batch);
  EXPECT_NEAR(single.loss, exact.loss, 1e-6 * exact.loss);
  EXPECT_NEAR(half.loss, exact.loss, 1e-2 * exact.loss);
  const double norm = exact.gradient.norm().item<double>();
  EXPECT_LT((single.gradient - exact.gradient).norm().item<double>(), 1e-5 * norm);
  EXPECT_LT((half.gradient - exact.gradient).norm().item<double>(), 5e-2 * norm);
}

TEST(BatchGradient, PackedDocumentsGiveTheTokenWeightedMeanOfTheDocumentsAlone) {
  const Architecture a = pico();
  const Tensor weights = pico_weights(a);
  Rng rng(3);
  const auto one = random_document(rng, 5, 64), two = random_document(rng, 11, 64);
  const Result together = gradient_of(a, weights, packed({{one, two}}));
  const Result first = gradient_of(a, weights, packed({{one}})),
               second = gradient_of(a, weights, packed({{two}}));
  // 4 and 10 predicted targets.
  EXPECT_NEAR(together.loss, (4 * first.loss + 10 * second.loss) / 14, 1e-6);
  const Tensor mean = (4 * first.gradient + 10 * second.gradient) / 14;
  EXPECT_LT((together.gradient - mean).norm().item<double>(), 1e-5 * mean.norm().item<double>());
}

TEST(BatchGradient, AccumulatedOverPassesIsThatOfTheWholeBatch) {
  const Architecture a = pico();
  const Tensor weights = pico_weights(a);
  Rng rng(4);
  std::vector<std::vector<std::vector<int32_t>>> rows(5);
  for (auto& row : rows) row = {random_document(rng, 6, 64), random_document(rng, 10, 64)};
  const Result whole = gradient_of(a, weights, packed(rows), 5);
  for (const int64_t rows_per_pass : {1, 2, 3}) {
    const Result parts = gradient_of(a, weights, packed(rows), rows_per_pass);
    EXPECT_NEAR(parts.loss, whole.loss, 1e-6);
    EXPECT_LT((parts.gradient - whole.gradient).abs().max().item<double>(), 1e-6);
  }
}

TEST(BatchGradient, IsTheSameBitsForAnyNumberOfThreads) {
  const Architecture a = pico();
  const Tensor weights = pico_weights(a).to(at::kBFloat16);
  Rng rng(4);
  std::vector<std::vector<std::vector<int32_t>>> rows(7);
  for (auto& row : rows) row = {random_document(rng, 16, 64)};
  const Result one = gradient_of(a, weights, packed(rows), 2, 1);
  for (const int threads : {2, 3, 8}) {
    const Result many = gradient_of(a, weights, packed(rows), 2, threads);
    EXPECT_EQ(many.loss, one.loss);
    EXPECT_TRUE(at::equal(many.gradient, one.gradient));
  }
}

TEST(BatchGradient, ARowThatFailsOnOneThreadEndsAllOfThem) {
  const Architecture a = pico();
  PackedBatch batch = two_rows();
  batch.ids[20] = 64;  // outside the vocabulary, in the second row
  EXPECT_THROW(gradient_of(a, pico_weights(a), batch, 1, 2), Error);
}

}  // namespace
}  // namespace demix
