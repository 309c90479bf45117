#include "demix/train/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "demix/core/files.h"
#include "demix/core/json.h"

namespace demix {
namespace {

// Values computed with torch.optim.AdamW by tools/parity/train.py.
TEST(AdamW, FollowsTorchOnAMatrixThatDecaysAndANormThatDoesNot) {
  const Json data = Json::parse(read_file(DEMIX_SOURCE_DIR "/tests/data/adamw.json"));
  const std::vector<ParameterSpec> layout = {{"matrix", {2, 4}, 0, 8}, {"norm", {4}, 8, 4}};
  AdamW optimizer(layout, 12, {.weight_decay = data.at("weight_decay")}, at::kCPU);
  const at::Tensor weights = at::cat({at::arange(-4, 4, at::kFloat) / 8, at::ones({4})});
  int64_t step = 0;
  for (const Json& expected : data.at("steps")) {
    at::Tensor gradient = at::tensor(expected.at("gradient").get<std::vector<float>>());
    const double norm = gradient_norm(gradient), clip_norm = data.at("clip_norm");
    EXPECT_NEAR(norm, expected.at("norm").get<double>(), 1e-6);
    if (norm > clip_norm) gradient.mul_(clip_norm / norm);
    optimizer.step(weights, gradient, expected.at("rate"), ++step);
    const at::Tensor want = at::tensor(expected.at("weights").get<std::vector<float>>());
    EXPECT_TRUE(at::allclose(weights, want, 1e-6, 1e-7)) << "step " << step;
  }
}

}  // namespace
}  // namespace demix
