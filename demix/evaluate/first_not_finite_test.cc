#include "demix/evaluate/first_not_finite.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/error.h"
#include "demix/model/decoder.h"
#include "tests/pico.h"

namespace demix {
namespace {

const std::vector<int32_t> kIds = {1, 5, 9, 2};

TEST(FirstNotFinite, NamesTheParameter) {
  const Decoder decoder(pico(), at::kCPU);
  const Weights weights = initial_weights(pico(), Rng(1));
  decoder.layer(weights, 1).down.view(-1)[7] = std::nan("");
  EXPECT_EQ(first_not_finite(decoder, weights, kIds),
            "the parameter model.layers.1.mlp.down_proj.weight holds values that are not finite");
}

TEST(FirstNotFinite, NamesTheLayerThatOverflows) {
  for (int64_t layer = 0; layer < pico().layers; ++layer) {
    const Decoder decoder(pico(), at::kCPU);
    const Weights weights = initial_weights(pico(), Rng(1));
    decoder.layer(weights, layer).up.fill_(1e30);
    decoder.layer(weights, layer).gate.fill_(1e30);
    EXPECT_EQ(
        first_not_finite(decoder, weights, kIds),
        fmt::format("layer {} of 2 (from 0) gives values that are not finite; all weights are "
                    "finite, so they are too large for Float",
                    layer));
  }
}

TEST(FirstNotFinite, NamesTheOutputProjection) {
  Architecture architecture = pico();
  architecture.tied_embeddings = false;
  const Decoder decoder(architecture, at::kCPU);
  const Weights weights = initial_weights(architecture, Rng(1));
  decoder.head(weights).fill_(3e38);
  EXPECT_EQ(
      first_not_finite(decoder, weights, kIds),
      "the output projection gives logits that are not finite; all weights are finite, so they "
      "are too large for Float");
}

}  // namespace
}  // namespace demix
