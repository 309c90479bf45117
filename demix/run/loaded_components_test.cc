#include "demix/run/loaded_components.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "demix/core/rng.h"
#include "demix/merge/components.h"
#include "tests/pico.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

// Two components and their base in folders, and how often they were read.
class LoadedComponentsTest : public testing::Test {
 protected:
  LoadedComponentsTest() {
    for (uint64_t i = 0; i < 3; ++i) {
      models_.push_back(initial_weights(pico(), Rng(1 + i)));
      save_model(folder_ / std::to_string(i), pico(), models_.back(), at::kFloat, {});
    }
  }

  std::unique_ptr<Components> load() {
    ++loads_;
    const std::vector<ComponentFolder> folders = {{"a", folder_ / "1"}, {"b", folder_ / "2"}};
    return std::make_unique<Components>(pico(),
                                        folder_ / "0",
                                        folders,
                                        ProxyMethod({}, folders.size(), /*seed=*/5),
                                        ProxyTarget{at::kCPU, at::kFloat, folder_.path()});
  }

  TemporaryFolder folder_;
  std::vector<Weights> models_;  // the base first
  int loads_ = 0;
};

const std::vector<std::vector<double>> kMixtures = {{0, 1}, {0.5, 0.5}};

TEST_F(LoadedComponentsTest, AreLoadedOnceForAllProxies) {
  LoadedComponents loaded([this] { return load(); });
  EXPECT_EQ(loads_, 1);
  EXPECT_GE(loaded.most_at_once(), 2u);
  const std::span<const Weights> proxies = loaded.merge(kMixtures);
  ASSERT_EQ(proxies.size(), 2u);
  EXPECT_TRUE(at::equal(proxies[0].flat, models_[2].flat));
  EXPECT_TRUE(at::allclose(proxies[1].flat, 0.5 * models_[1].flat + 0.5 * models_[2].flat));
  loaded.merge(kMixtures);
  EXPECT_EQ(loaded.components().size(), 2u);
  EXPECT_EQ(loads_, 1);
}

TEST_F(LoadedComponentsTest, AreLoadedAgainAfterTheirMemoryWasGivenBack) {
  LoadedComponents loaded([this] { return load(); });
  const at::Tensor before = loaded.merge(kMixtures)[1].flat.clone();
  loaded.release();
  EXPECT_EQ(loads_, 1);
  EXPECT_TRUE(at::equal(loaded.merge(kMixtures)[1].flat, before));
  EXPECT_EQ(loads_, 2);
}

}  // namespace
}  // namespace demix
