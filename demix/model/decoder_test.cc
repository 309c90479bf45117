#include "demix/model/decoder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "demix/model/safetensors.h"

namespace demix {
namespace {

const std::filesystem::path kData = std::filesystem::path(DEMIX_SOURCE_DIR) / "tests/data/model";

at::Tensor read_tensor(const SafetensorsFile& file, const char* name, at::ScalarType type) {
  const TensorEntry& entry = *file.find(name);
  at::Tensor tensor = at::empty(entry.shape, type);
  file.read(entry, {static_cast<std::byte*>(tensor.mutable_data_ptr()), tensor.nbytes()});
  return tensor;
}

// Models with random weights and their logits by transformers (tools/parity/model.py pico).
class Parity : public testing::TestWithParam<const char*> {};

TEST_P(Parity, LogitsEqualThoseOfTransformers) {
  const std::filesystem::path folder = kData / GetParam();
  const Architecture architecture = load_architecture(folder);
  const Weights weights = load_weights(folder, architecture, at::kFloat, at::kCPU);
  const SafetensorsFile expected = SafetensorsFile::open(folder / "expected.safetensors");
  const at::Tensor expected_BTV = read_tensor(expected, "logits", at::kFloat);

  const at::Tensor logits_BTV =
      Decoder(architecture, at::kCPU).logits(weights, read_tensor(expected, "ids", at::kLong));
  ASSERT_EQ(logits_BTV.sizes(), expected_BTV.sizes());
  const double largest = expected_BTV.abs().max().item<double>();
  // A tenth of what is promised for models of any depth: two layers stay far below it.
  EXPECT_LE((logits_BTV - expected_BTV).abs().max().item<double>(), 1e-5 * std::max(1.0, largest));
}

INSTANTIATE_TEST_SUITE_P(Pico,
                         Parity,
                         testing::Values("llama_gqa_tied",
                                         "llama_bias_llama3",
                                         "llama3_older",
                                         "qwen2_tied",
                                         "qwen2_free",
                                         "qwen3_tied",
                                         "qwen3_free_bias"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace demix
