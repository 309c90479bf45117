#include <gtest/gtest.h>

#include "demix/merge/test_merge.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(BreadcrumbsTies, ElectsSignsAmongTheMiddles) {
  const Example example = {
      .shape = {4}, .base = {0, 0, 0, 0}, .models = {{9, 2, -1, 0.5}, {0.1, -5, -2, 1}}};
  // With density 0.5 and γ = 0.25 are kept: 2 −1 | −2 1.
  const Settings settings = {{"weight", "1"}, {"density", "0.5"}, {"gamma", "0.25"}};
  EXPECT_EQ(merged("breadcrumbs_ties", example, settings), (Values{0, 2, -3, 1}));
  Settings normalized = settings;
  normalized.emplace_back("normalize", "true");
  EXPECT_EQ(merged("breadcrumbs_ties", example, normalized), (Values{0, 2, -1.5, 1}));
}

TEST(BreadcrumbsTies, OneModelIsBreadcrumbs) {
  const Example example = random_example(30, 21, 1);
  const Settings settings = {{"weight", "0.5"}, {"density", "0.3"}, {"gamma", "0.1"}};
  EXPECT_EQ(merged("breadcrumbs_ties", example, settings),
            merged("breadcrumbs", example, settings));
}

}  // namespace
}  // namespace demix
