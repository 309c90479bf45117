#include "demix/merge/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "demix/core/rng.h"
#include "demix/merge/kernels.h"

namespace demix {
namespace {

// The same by sorting.
Cut sorted_cut(const std::vector<float>& values, int64_t position) {
  std::vector<uint32_t> bits(values.size());
  magnitudes(values.data(), static_cast<int64_t>(values.size()), bits.data());
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int64_t a, int64_t b) { return bits[a] > bits[b]; });
  if (position == 0) return {kMagnitudeEnd, 0};
  const int64_t last = order[position - 1];
  return {bits[last], last + 1};
}

std::vector<float> kept(std::vector<float> values, const Cut& first, const Cut& last) {
  // In pieces, as merges do it.
  for (int64_t begin = 0; begin < static_cast<int64_t>(values.size()); begin += 100) {
    const int64_t size = std::min<int64_t>(100, static_cast<int64_t>(values.size()) - begin);
    keep_between_cuts(first, last, begin, size, values.data() + begin);
  }
  return values;
}

void expect_cuts_of_sorting(const std::vector<float>& values) {
  const int64_t count = static_cast<int64_t>(values.size());
  const auto read = [&](size_t, int64_t begin, int64_t size, uint32_t* bits) {
    magnitudes(values.data() + begin, size, bits);
  };
  std::vector<CutRequest> requests;
  for (double share : {0.0, 0.01, 0.3, 0.5, 0.77, 0.999, 1.0}) {
    requests.push_back({0, static_cast<int64_t>(share * static_cast<double>(count))});
  }
  requests.push_back({0, std::min<int64_t>(1, count)});
  requests.push_back({0, std::max<int64_t>(0, count - 1)});
  const std::vector<Cut> cuts = find_cuts(requests, count, 1, read);
  const std::vector<Cut> cuts_of_three_threads = find_cuts(requests, count, 3, read);
  for (size_t i = 0; i < requests.size(); ++i) {
    const Cut expected = sorted_cut(values, requests[i].position);
    const std::vector<float> by_sorting = kept(values, {kMagnitudeEnd, 0}, expected);
    const std::vector<float> found = kept(values, {kMagnitudeEnd, 0}, cuts[i]);
    for (int64_t j = 0; j < count; ++j) {
      ASSERT_EQ(std::bit_cast<uint32_t>(found[j]), std::bit_cast<uint32_t>(by_sorting[j]))
          << "position " << requests[i].position << " of " << count << ", element " << j;
    }
    EXPECT_EQ(cuts[i].bits, cuts_of_three_threads[i].bits);
    EXPECT_EQ(cuts[i].index, cuts_of_three_threads[i].index);
  }
}

TEST(Selection, FindsTheCutsThatSortingFinds) {
  Rng rng(7);
  for (int64_t count : {1, 2, 17, 5000, 140'000}) {
    std::vector<float> normal(count), quantised(count), steep(count);
    for (int64_t i = 0; i < count; ++i) {
      normal[i] = static_cast<float>(rng.normal());
      quantised[i] = std::round(normal[i] * 3) / 64;  // many equal magnitudes
      steep[i] = std::exp(20 * normal[i]);            // a guess by a sample is still right
    }
    expect_cuts_of_sorting(normal);
    expect_cuts_of_sorting(quantised);
    expect_cuts_of_sorting(steep);
    expect_cuts_of_sorting(std::vector<float>(count, 0.F));
  }
}

TEST(Selection, AGuessThatMissesOnlyCostsAPass) {
  // The sample is read element by element; let it see nothing of what the tensor holds.
  std::vector<float> values(300'000);
  Rng rng(8);
  for (float& value : values) value = static_cast<float>(rng.normal());
  int passes_over_the_start = 0;
  const auto read = [&](size_t, int64_t begin, int64_t size, uint32_t* bits) {
    if (size == 1) {
      *bits = 1;
      return;
    }
    passes_over_the_start += begin == 0;
    magnitudes(values.data() + begin, size, bits);
  };
  const std::vector<CutRequest> request = {{0, 100'000}};
  const Cut cut = find_cuts(request, 300'000, 1, read)[0];
  const Cut expected = sorted_cut(values, 100'000);
  EXPECT_EQ(cut.bits, expected.bits);
  EXPECT_EQ(passes_over_the_start, 4);
}

TEST(Selection, NanAndInfinityAreTheLargest) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {
      1, -3, std::numeric_limits<float>::quiet_NaN(), -kInfinity, 2, 0};
  expect_cuts_of_sorting(values);
  const std::vector<CutRequest> two = {{0, 2}};
  const Cut cut = find_cuts(two, 6, 1, [&](size_t, int64_t begin, int64_t size, uint32_t* bits) {
    magnitudes(values.data() + begin, size, bits);
  })[0];
  const std::vector<float> result = kept(values, {kMagnitudeEnd, 0}, cut);
  EXPECT_TRUE(std::isnan(result[2]));
  EXPECT_EQ(result[3], -kInfinity);
  EXPECT_EQ(result[0] + result[1] + result[4] + result[5], 0);
}

TEST(Selection, BetweenTwoCutsLieTheElementsOfThoseRanks) {
  const std::vector<float> values = {5, -5, 1, 4, -5, 3, 0, 5};
  const auto read = [&](size_t, int64_t begin, int64_t size, uint32_t* bits) {
    magnitudes(values.data() + begin, size, bits);
  };
  const std::vector<CutRequest> requests = {{0, 2}, {0, 5}};
  const std::vector<Cut> cuts = find_cuts(requests, 8, 1, read);
  // In order: 5, -5, | -5, 5, 4, | 3, 1, 0.
  EXPECT_EQ(kept(values, cuts[0], cuts[1]), (std::vector<float>{0, 0, 0, 4, -5, 0, 0, 5}));
}

}  // namespace
}  // namespace demix
