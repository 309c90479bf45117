#include "demix/merge/span_merge.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"
#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(SpanMerge, InnerProductsAreThoseOfTheUpdates) {
  const Example example = random_example(300, 701, 3);
  std::vector<const float*> models;
  for (const Values& model : example.models) models.push_back(model.data());
  Values out(example.base.size());
  merge_in_span(
      models,
      example.base.data(),
      example.shape,
      static_cast<int64_t>(out.size()),
      VectorsAlong::kTensor,
      2,
      [&](const InnerProducts& products, std::span<double> c) {
        for (size_t i = 0; i < 3; ++i) {
          for (size_t j = 0; j < 3; ++j) {
            const double expected = dot_of(difference(example.models[i], example.base),
                                           difference(example.models[j], example.base));
            EXPECT_NEAR(products.at(i, j) / expected, 1, 1e-12);
          }
        }
        c[0] = c[1] = 0;
        c[2] = 1;
      },
      out.data());
  EXPECT_LT(largest_difference(out, example.models[2]), 1e-6);
}

TEST(SpanMerge, VectorsOfHigherTensorsLieAlongTheLastOrTheFirstDimension) {
  // Shape [2, 3, 2]: elements 0 … 11. Coefficient: the vector's sum of squares.
  const std::vector<int64_t> shape = {2, 3, 2};
  Values x(12), out(12);
  std::iota(x.begin(), x.end(), 0.F);
  const std::vector<const float*> models = {x.data()};
  const auto square = [](const InnerProducts& products, std::span<double> c) {
    c[0] = products.at(0, 0);
  };
  merge_in_span(models, nullptr, shape, 12, VectorsAlong::kLast, 1, square, out.data());
  for (int i = 0; i < 12; ++i) {
    const float pair = x[i / 2 * 2], other = x[i / 2 * 2 + 1];
    EXPECT_EQ(out[i], x[i] * (pair * pair + other * other)) << i;
  }
  merge_in_span(models, nullptr, shape, 12, VectorsAlong::kFirst, 1, square, out.data());
  for (int i = 0; i < 12; ++i) {
    const float upper = x[i % 6], lower = x[i % 6 + 6];
    EXPECT_EQ(out[i], x[i] * (upper * upper + lower * lower)) << i;
  }
}

TEST(SpanMerge, AnErrorOfTheCoefficientsArrivesFromAnyThread) {
  const Example example = random_example(3000, 20, 2);
  std::vector<const float*> models = {example.models[0].data(), example.models[1].data()};
  Values out(example.base.size());
  const auto fail = [](const InnerProducts&, std::span<double>) { throw Error("no direction"); };
  for (VectorsAlong along : {VectorsAlong::kTensor, VectorsAlong::kLast, VectorsAlong::kFirst}) {
    EXPECT_THROW(merge_in_span(models, nullptr, example.shape, 60'000, along, 3, fail, out.data()),
                 Error);
  }
}

}  // namespace
}  // namespace demix
