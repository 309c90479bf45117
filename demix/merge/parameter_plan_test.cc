#include "demix/merge/parameter_plan.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

using Conditions = std::vector<ParameterSetting::Condition>;

TEST(ParameterPlan, GradientsAreInterpolatedOverTheDepth) {
  ParameterPlan plan(find_merge_method("ties"), 2);
  plan.set("weight", ParameterSetting{Conditions{{"", {"0", "1", "0.5"}, ""}}});
  plan.set("normalize", ParameterSetting{Conditions{{"", {"true", "false"}, ""}}});
  EXPECT_FALSE(plan.constant());
  const auto weight = [&](double depth) { return plan.at("x", depth).of_models("weight")[1]; };
  EXPECT_DOUBLE_EQ(weight(0), 0);
  EXPECT_DOUBLE_EQ(weight(0.25), 0.5);
  EXPECT_DOUBLE_EQ(weight(0.5), 1);
  EXPECT_DOUBLE_EQ(weight(0.75), 0.75);
  EXPECT_DOUBLE_EQ(weight(1), 0.5);
  EXPECT_TRUE(plan.at("x", 0.99).flag("normalize"));
  EXPECT_FALSE(plan.at("x", 1).flag("normalize"));
}

TEST(ParameterPlan, TheFirstConditionThatHoldsDecides) {
  ParameterPlan plan(find_merge_method("ties"), 2);
  plan.set("weight", ParameterSetting{Conditions{{"mlp", {"2"}, ""}, {"*", {"3"}, ""}}});
  plan.set("weight", 1, ParameterSetting{Conditions{{"norm", {"5"}, ""}}});
  const auto weights = [&](std::string_view tensor) {
    const MergeParameters parameters = plan.at(tensor, 0);
    const auto values = parameters.of_models("weight");
    return std::vector<double>(values.begin(), values.end());
  };
  EXPECT_EQ(weights("a.mlp.b"), (std::vector<double>{2, 2}));
  EXPECT_EQ(weights("a.norm.b"), (std::vector<double>{3, 5}));
}

TEST(ParameterPlan, DepthIsTheLayersPlaceAndZeroOutsideOfLayers) {
  EXPECT_EQ(layer_depths({"embed", "h.0.w", "h.1.w", "h.2.e.7.w", "other.0.w", "x.1a.w", "4"}),
            (std::vector<double>{0, 0, 0.5, 1, 1, 0, 1}));
}

TEST(ParameterPlan, WrongNamesAndValuesAreRefusedWithTheirPlace) {
  ParameterPlan plan(find_merge_method("ties"), 1);
  const auto refusal = [&](const char* name, const char* value) -> std::string {
    try {
      plan.set(name, ParameterSetting::of(value, "here"));
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_TRUE(refusal("desnity", "1").starts_with("here: ties has no parameter 'desnity'"));
  EXPECT_TRUE(refusal("density", "2").starts_with("here: parameter 'density'"));
  EXPECT_EQ(refusal("density", "0.5"), "");
}

}  // namespace
}  // namespace demix
