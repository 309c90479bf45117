#include "demix/merge/method.h"

#include <gtest/gtest.h>

#include <set>

#include "demix/merge/test_merge.h"
#include "tests/message_of.h"

namespace demix {
namespace {

using namespace testing_merge;

TEST(MergeMethods, TheTableHoldsTheFieldsMethods) {
  std::set<std::string_view> names;
  for (const MergeMethod* method : merge_methods()) {
    EXPECT_TRUE(names.insert(method->name).second) << method->name;
    EXPECT_EQ(&find_merge_method(method->name), method);
    EXPECT_FALSE(method->paper.empty()) << method->name;
    EXPECT_NE(method->merge, nullptr) << method->name;
    std::set<std::string_view> parameters;
    for (const MergeParameter& parameter : method->parameters) {
      EXPECT_TRUE(parameters.insert(parameter.name).second) << method->name << parameter.name;
      EXPECT_FALSE(parameter.meaning.empty()) << method->name << parameter.name;
      if (!parameter.required()) {
        EXPECT_NO_THROW(parameter.check(parameter.default_value));
      }
    }
  }
  for (const char* name : {"linear",
                           "task_arithmetic",
                           "slerp",
                           "nuslerp",
                           "multislerp",
                           "karcher",
                           "ties",
                           "dare_linear",
                           "dare_ties",
                           "della",
                           "della_linear",
                           "breadcrumbs",
                           "breadcrumbs_ties",
                           "model_stock",
                           "sce"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(MergeMethods, AnUnknownNameIsAnsweredWithTheNearest) {
  EXPECT_EQ(message_of([] { find_merge_method("dare_tie"); }),
            "unknown merge method 'dare_tie'; did you mean 'dare_ties'?");
  EXPECT_NE(message_of([] { find_merge_method("something"); }).find("there are linear, "),
            std::string::npos);
}

TEST(MergeMethods, ASearchTakesMethodsThatWeighAnyNumberOfModels) {
  std::set<std::string_view> refused;
  for (const MergeMethod* method : merge_methods()) {
    const std::string message = message_of([&] { check_fit_for_search(*method); });
    if (message == "no error") continue;
    refused.insert(method->name);
    EXPECT_NE(message.find(method->name), std::string::npos);
  }
  for (const char* name : {"model_stock", "sce", "slerp", "nuslerp"}) {
    EXPECT_TRUE(refused.contains(name)) << name;
  }
  for (const char* name : {"linear", "task_arithmetic", "multislerp", "karcher", "ties", "della"}) {
    EXPECT_FALSE(refused.contains(name)) << name;
  }
}

TEST(MergeMethods, ElementwiseOnesMayBeMergedInPieces) {
  constexpr int64_t kCount = 5000, kPiece = 1234;
  const Example whole = random_example(1, kCount, 3);
  for (const MergeMethod* method : merge_methods()) {
    if (!method->elementwise) continue;
    Example one = whole;
    one.models.resize(std::min(one.models.size(), method->most_models));
    Settings settings;
    for (const MergeParameter& parameter : method->parameters) {
      if (parameter.required()) settings.emplace_back(parameter.name, "0.3");
    }
    const Values expected = merged(method->name, one, settings);
    for (int64_t begin = 0; begin < kCount; begin += kPiece) {
      const int64_t size = std::min(kPiece, kCount - begin);
      const auto cut = [&](const Values& values) {
        return Values(values.begin() + begin, values.begin() + begin + size);
      };
      Example piece = {.shape = {size}, .base = cut(one.base)};
      for (const Values& model : one.models) piece.models.push_back(cut(model));
      EXPECT_EQ(merged(method->name, piece, settings), cut(expected)) << method->name;
    }
  }
}

TEST(MergeParameters, HaveTheirDefaultsUntilTheyAreSet) {
  MergeParameters parameters(find_merge_method("della"), 3);
  EXPECT_EQ(parameters.missing(), "weight");
  EXPECT_EQ(parameters.number("lambda"), 1);
  EXPECT_TRUE(parameters.flag("normalize"));
  EXPECT_EQ(parameters.choice("rescale"), "true");
  EXPECT_EQ(parameters.of_models("epsilon")[2], 0.15);
  parameters.set("weight", "0.5");
  EXPECT_EQ(parameters.missing(), "");
  parameters.set("weight", 1, "-2e-1");
  EXPECT_EQ(parameters.of_models("weight")[0], 0.5);
  EXPECT_EQ(parameters.of_models("weight")[1], -0.2);
  parameters.set("rescale", "expectation");
  EXPECT_EQ(parameters.choice("rescale"), "expectation");
}

TEST(MergeParameters, AreCheckedByNameAndValue) {
  MergeParameters ties(find_merge_method("ties"), 2);
  const auto message = [&](const char* name, const char* text) {
    return message_of([&] { ties.set(name, text); });
  };
  EXPECT_EQ(message("densty", "0.5"),
            "merge method ties has no parameter 'densty'; did you mean 'density'?");
  EXPECT_NE(message("epsilon_of_della", "0.5").find("it has weight, density"), std::string::npos);
  EXPECT_NE(message("density", "1.5").find("expected a number from 0 to 1, found 1.5"),
            std::string::npos);
  for (const char* bad : {"", "x", "0.5x", "nan", "inf", "1e999", "0,5"}) {
    EXPECT_NE(message("weight", bad).find("expected a number, found"), std::string::npos) << bad;
  }
  EXPECT_NE(message("normalize", "maybe").find("expected true or false"), std::string::npos);
  EXPECT_NE(message("rescale", "l3").find("expected one of false, true, l1"), std::string::npos);
  EXPECT_NE(message_of([&] { ties.set("lambda", 1, "0.5"); }).find("one value for all models"),
            std::string::npos);
  MergeParameters karcher(find_merge_method("karcher"), 2);
  EXPECT_NE(message_of([&] { karcher.set("max_iter", "2.5"); }).find("a whole number"),
            std::string::npos);
}

TEST(MergeParameters, FlagsKnowTheWordsOfYaml) {
  MergeParameters parameters(find_merge_method("ties"), 1);
  for (const char* word : {"true", "True", "yes", "on", "1", "1.0"}) {
    parameters.set("normalize", "false");
    parameters.set("normalize", word);
    parameters.set("rescale", word);
    EXPECT_TRUE(parameters.flag("normalize")) << word;
    EXPECT_EQ(parameters.choice("rescale"), "true") << word;
  }
  for (const char* word : {"Off", "0.0"}) {
    parameters.set("normalize", "true");
    parameters.set("normalize", word);
    EXPECT_FALSE(parameters.flag("normalize")) << word;
  }
  EXPECT_EQ(message_of([&] { parameters.set("normalize", "0.5"); }),
            "parameter 'normalize': expected true or false, found '0.5'; meant is: divide the sum "
            "of updates by the sum of the weights that took part");
}

TEST(CheckMerge, SaysWhatAMethodNeeds) {
  const auto message = [](const char* name, size_t models, const Settings& settings, bool base) {
    return message_of([&] {
      const MergeMethod& method = find_merge_method(name);
      check_merge(method, settings_of(method, models, settings), base);
    });
  };
  EXPECT_EQ(message("ties", 2, {{"weight", "1"}}, false),
            "merge method ties works on updates and needs a base");
  EXPECT_EQ(message("nuslerp", 3, {{"weight", "1"}}, false),
            "merge method nuslerp takes exactly 2 models beside the base, found 3");
  EXPECT_EQ(message("model_stock", 1, {}, true),
            "merge method model_stock takes at least 2 models beside the base, found 1");
  EXPECT_EQ(message("linear", 2, {}, false),
            "merge method linear needs a value of 'weight' for every model: the factor of a model; "
            "any finite number");
  EXPECT_NE(message("linear", 0, {}, false).find("at least 1 models"), std::string::npos);
  for (const char* name : {"linear", "multislerp", "karcher", "nuslerp", "ties", "dare_linear"})
    EXPECT_EQ(message(name, 2, {{"weight", "3e38"}}, true),
              fmt::format("merge method {}: the weights sum to inf in float32; expected smaller "
                          "ones",
                          name));
  EXPECT_NE(message("della", 2, {{"weight", "1"}, {"density", "0.5,0.1"}}, true).find("model 2"),
            std::string::npos);
}

TEST(EffectiveWeights, AreWhatTheModelsContribute) {
  const auto weights = [](const char* name, size_t models, const Settings& settings) {
    const MergeMethod& method = find_merge_method(name);
    return method.effective_weights(settings_of(method, models, settings));
  };
  using Weights = std::vector<double>;
  EXPECT_EQ(weights("task_arithmetic", 2, {{"weight", "1,3"}, {"lambda", "2"}}), (Weights{2, 6}));
  EXPECT_EQ(weights("ties", 2, {{"weight", "1,3"}, {"lambda", "2"}}), (Weights{0.5, 1.5}));
  EXPECT_EQ(weights("slerp", 1, {{"t", "0.25"}}), (Weights{0.25}));
  EXPECT_EQ(weights("slerp", 2, {{"t", "0.25"}}), (Weights{0.75, 0.25}));
  EXPECT_EQ(weights("nuslerp", 2, {{"weight", "1,3"}}), (Weights{0.25, 0.75}));
  EXPECT_EQ(weights("nuslerp", 2, {{"weight", "0"}}), (Weights{0.5, 0.5}));
  EXPECT_EQ(weights("multislerp", 2, {{"weight", "1,3"}}), (Weights{0.25, 0.75}));
  EXPECT_EQ(weights("karcher", 4, {}), (Weights{0.25, 0.25, 0.25, 0.25}));
  EXPECT_EQ(find_merge_method("sce").effective_weights, nullptr);
}

}  // namespace
}  // namespace demix
