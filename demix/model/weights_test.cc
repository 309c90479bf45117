#include "demix/model/weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "demix/model/decoder.h"

namespace demix {
namespace {

// The pico model: two layers, width 32, 64 tokens.
Architecture pico() {
  Architecture a;
  a.vocabulary = 64;
  a.hidden = 32;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 8;
  a.intermediate = 48;
  return a;
}

// A folder of its own for each test, removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "demix-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

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
