#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(Nuslerp, GoesAlongTheArcByTheSharesOfTheWeights) {
  const Example example = {.shape = {2}, .models = {{1, 0}, {0, 1}}};
  const Values third = merged("nuslerp", example, {{"weight", "2,1"}});
  EXPECT_NEAR(third[0], std::cos(M_PI / 6), 1e-6);
  EXPECT_NEAR(third[1], std::sin(M_PI / 6), 1e-6);
}

TEST(Nuslerp, WithABaseItMergesUpdates) {
  const Example example = {.shape = {2}, .base = {5, 5}, .models = {{6, 5}, {5, 6}}};
  const Values third = merged("nuslerp", example, {{"weight", "2,1"}});
  EXPECT_NEAR(third[0], 5 + std::cos(M_PI / 6), 1e-6);
  EXPECT_NEAR(third[1], 5 + std::sin(M_PI / 6), 1e-6);
}

// Rows and columns of a tensor of this shape, merged one by one.
TEST(Nuslerp, RowsAndColumnsAreVectorsOfTheirOwn) {
  constexpr int64_t kRows = 70, kColumns = 131;
  const Example example = random_example(kRows, kColumns, 2);
  const auto lines = [&](bool columns) {
    Values result(kRows * kColumns);
    for (int64_t line = 0; line < (columns ? kColumns : kRows); ++line) {
      Example one = {.shape = {columns ? kRows : kColumns}};
      std::vector<int64_t> places;
      for (int64_t i = 0; i < one.shape[0]; ++i) {
        places.push_back(columns ? i * kColumns + line : line * kColumns + i);
      }
      const auto take = [&](const Values& from) {
        Values taken;
        for (int64_t place : places) taken.push_back(from[place]);
        return taken;
      };
      one.base = take(example.base);
      for (const Values& model : example.models) one.models.push_back(take(model));
      const Values merged_line = merged("nuslerp", one, {{"weight", "1,2"}});
      for (size_t i = 0; i < places.size(); ++i) result[places[i]] = merged_line[i];
    }
    return result;
  };
  Settings settings = {{"weight", "1,2"}, {"nuslerp_flatten", "false"}};
  EXPECT_LT(largest_difference(merged("nuslerp", example, settings), lines(false)), 1e-6);
  settings.emplace_back("nuslerp_row_wise", "true");
  EXPECT_LT(largest_difference(merged("nuslerp", example, settings), lines(true)), 1e-6);
  Example threaded = example;
  threaded.threads = 3;
  EXPECT_EQ(merged("nuslerp", threaded, settings), merged("nuslerp", example, settings));
}

TEST(Nuslerp, OppositeVectorsAreInterpolatedInAStraightLine) {
  Example example = {.shape = {40, 1000}, .models = {normal_values(40'000, 3)}};
  example.models.push_back(example.models[0]);
  for (float& value : example.models[1]) value = -value;
  for (const char* flatten : {"true", "false"}) {
    const Values result =
        merged("nuslerp", example, {{"weight", "3,1"}, {"nuslerp_flatten", flatten}});
    for (size_t i = 0; i < result.size(); ++i) {
      ASSERT_NEAR(result[i], 0.5F * example.models[0][i], 1e-6);
    }
  }
}

TEST(Nuslerp, TakesExactlyTwoModels) {
  EXPECT_THROW(merged("nuslerp", random_example(2, 3, 1), {{"weight", "1"}}), Error);
  EXPECT_THROW(merged("nuslerp", random_example(2, 3, 3), {{"weight", "1"}}), Error);
}

}  // namespace
}  // namespace demix
