#include "demix/search/folds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "demix/core/ranks.h"

namespace demix {
namespace {

// `copies` of each of `mixtures` random mixtures, which differ by rounding.
Points repeated(size_t mixtures, size_t copies) {
  Rng rng(4);
  Points points(3);
  for (size_t i = 0; i < mixtures; ++i) {
    const auto p = rng.dirichlet(std::vector<double>(3, 1.0));
    for (size_t k = 0; k < copies; ++k) {
      const double moved = std::min({5e-4 * static_cast<double>(k), p[1]});
      points.add(std::vector<double>{p[0] + moved, p[1] - moved, p[2]});
    }
  }
  return points;
}

TEST(Folds, AllRunsOfAMixtureStandInOneOfFiveEqualParts) {
  const auto mixture_of = mixture_of_rows(repeated(30, 3));
  ASSERT_EQ(count_mixtures(mixture_of), 30u);
  for (size_t i = 0; i < 90; ++i) EXPECT_EQ(mixture_of[i], i / 3);
  Rng rng(5);
  const auto fold_of = mixture_folds(mixture_of, rng);
  std::vector<int> rows(5);
  for (size_t i = 0; i < 90; ++i) {
    ++rows[static_cast<size_t>(fold_of[i])];
    EXPECT_EQ(fold_of[i], fold_of[i - i % 3]);
  }
  for (const int count : rows) EXPECT_EQ(count, 18);
}

TEST(Folds, PartsAreAsLargeAsUnevenRepetitionsAllow) {
  std::vector<size_t> mixture_of(20, 0);  // one mixture has as many runs as all others
  for (size_t i = 1; i <= 20; ++i) mixture_of.push_back(i);
  Rng rng(6);
  std::vector<int> rows(5);
  for (const int fold : mixture_folds(mixture_of, rng)) ++rows[static_cast<size_t>(fold)];
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(rows, (std::vector<int>{5, 5, 5, 5, 20}));
}

TEST(Folds, WithoutRepetitionsTheyAreRandomRows) {
  Rng one(7), other(7);
  EXPECT_EQ(mixture_folds(mixture_of_rows(repeated(23, 1)), one), random_folds(23, other));
}

TEST(Folds, ADenseLineIsManyMixturesAndSoIsASmallRegion) {
  Points line(2), region(2);
  for (int i = 0; i <= 1000; ++i) line.add(std::vector<double>{i / 1000.0, 1 - i / 1000.0});
  const size_t on_line = count_mixtures(mixture_of_rows(line));
  EXPECT_GT(on_line, 100u);
  EXPECT_LT(on_line, 201u);
  for (int i = 0; i < 20; ++i) region.add(std::vector<double>{0.3 + 1e-4 * i, 0.7 - 1e-4 * i});
  EXPECT_EQ(count_mixtures(mixture_of_rows(region)), 20u);
}

TEST(Folds, TheErrorOfAMeanIsThatOfMixturesWhoseRunsAgree) {
  const std::vector<double> values = {1, 2, 4, 8};
  const std::vector<size_t> each = {0, 1, 2, 3};
  const double error = standard_deviation(values) / 2;
  EXPECT_NEAR(error_of_mean(values, each), error, 1e-12);
  const std::vector<double> twice = {1, 1, 2, 2, 4, 4, 8, 8};
  const std::vector<size_t> pairs = {0, 0, 1, 1, 2, 2, 3, 3};
  EXPECT_NEAR(error_of_mean(twice, pairs), error, 1e-12);
}

}  // namespace
}  // namespace demix
