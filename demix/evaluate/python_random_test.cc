#include "demix/evaluate/python_random.h"

#include <gtest/gtest.h>

namespace demix {
namespace {

using Indices = std::vector<size_t>;

// Expected values are CPython 3.11's random.Random(seed).sample(range(population), count).
TEST(PythonRandom, SamplesFollowOneAnotherAsInPython) {
  PythonRandom random(1234);
  EXPECT_EQ(random.sample(1, 1), (Indices{0}));
  EXPECT_EQ(random.sample(7, 5), (Indices{0, 6, 5, 4, 2}));
  EXPECT_EQ(random.sample(21, 5), (Indices{2, 3, 11, 7, 0}));
  EXPECT_EQ(random.sample(22, 5), (Indices{0, 11, 20, 19, 15}));
  EXPECT_EQ(random.sample(1119, 6), (Indices{949, 304, 186, 374, 234, 29}));
  EXPECT_EQ(random.sample(85, 6), (Indices{64, 62, 31, 8, 69, 59}));
  EXPECT_EQ(random.sample(86, 6), (Indices{8, 76, 11, 65, 74, 5}));
  EXPECT_EQ(random.sample(2251, 25),
            (Indices{1104, 258,  1238, 1970, 1455, 1091, 1020, 819, 1857, 2171, 79,  2081, 289,
                     23,   1366, 588,  1936, 1545, 684,  221,  312, 2033, 671,  308, 881}));
  EXPECT_EQ(random.sample(100'000, 3), (Indices{18906, 3555, 45381}));
}

TEST(PythonRandom, OtherSeedsAgreeToo) {
  EXPECT_EQ(PythonRandom(0).sample(10, 10), (Indices{6, 9, 0, 2, 4, 3, 5, 1, 8, 7}));
  EXPECT_EQ(PythonRandom(4294967295).sample(1000, 4), (Indices{650, 634, 208, 220}));
}

TEST(PythonRandom, TheTwoThousandthSampleIsPythons) {
  PythonRandom random(1234);
  for (int i = 1; i < 2000; ++i) random.sample(39'905, 10);
  EXPECT_EQ(random.sample(39'905, 10),
            (Indices{14238, 17428, 2282, 37141, 36888, 28344, 36498, 30639, 30820, 2340}));
}

TEST(PythonRandom, NothingIsDrawnOfNothing) { EXPECT_EQ(PythonRandom(1).sample(0, 0), Indices()); }

}  // namespace
}  // namespace demix
