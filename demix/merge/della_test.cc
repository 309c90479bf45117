#include <gtest/gtest.h>

#include <algorithm>

#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(Della, DensityOneIsTiesWithoutTrimming) {
  const Example example = random_example(30, 21, 3);
  EXPECT_EQ(merged("della", example, {{"weight", "0.5,0.2,0.3"}}),
            merged("ties", example, {{"weight", "0.5,0.2,0.3"}}));
}

TEST(Della, SignsAreElectedAmongWhatIsKept) {
  // Updates 1 and −3 in one row each: where only the first is kept, it stands.
  constexpr int64_t kCount = 40'000;
  const Example example = {.shape = {kCount},
                           .base = Values(kCount, 0.F),
                           .models = {Values(kCount, 1.F), Values(kCount, -3.F)}};
  const Values result =
      merged("della", example, {{"weight", "1"}, {"density", "0.5"}, {"rescale", "false"}});
  const auto share = [&](float value) {
    return static_cast<double>(std::ranges::count(result, value)) / kCount;
  };
  EXPECT_NEAR(share(-3), 0.5, 0.0125);
  EXPECT_NEAR(share(1), 0.25, 0.011);
  EXPECT_NEAR(share(0), 0.25, 0.011);
}

TEST(Della, TheSameSeedGivesTheSameBitsForAnyNumberOfThreads) {
  for (const char* rescale : {"true", "false", "expectation"}) {
    Example example = random_example(150, 701, 3);
    const Settings settings = {{"weight", "0.5"}, {"density", "0.4"}, {"rescale", rescale}};
    const Values one = merged("della", example, settings);
    example.threads = 4;
    EXPECT_EQ(merged("della", example, settings), one) << rescale;
    example.seed = 2;
    EXPECT_NE(merged("della", example, settings), one) << rescale;
  }
}

TEST(Della, ByDefaultTheL1NormOfEachUpdateIsRestored) {
  const Example example = random_example(100, 701, 1);
  const Values result = merged("della", example, {{"weight", "1"}, {"density", "0.3"}});
  const auto l1 = [&](const Values& values) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += std::abs(values[i] - example.base[i]);
    return sum;
  };
  EXPECT_NEAR(l1(result) / l1(example.models[0]), 1, 1e-5);
}

}  // namespace
}  // namespace demix
