#include "demix/model/weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "demix/model/decoder.h"
#include "tests/pico.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

TEST(Weights, SavedInFloat32AndLoadedAreTheSameBits) {
  const TemporaryFolder folder;
  const Weights written = initial_weights(pico(), Rng(1));
  save_model(folder.path(), pico(), written, at::kFloat, {});
  EXPECT_EQ(load_architecture(folder.path()), pico());
  const Weights read = load_weights(folder.path(), pico(), at::kFloat, at::kCPU);
  EXPECT_TRUE(at::equal(read.flat, written.flat));
  EXPECT_EQ(weights_hash(pico(), read), weights_hash(pico(), written));
}

}  // namespace
}  // namespace demix
