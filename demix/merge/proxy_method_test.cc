#include "demix/merge/proxy_method.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/error.h"

namespace demix {
namespace {

using Factors = std::vector<double>;

TEST(ProxyMethod, ALinearMergeIsASumOfModels) {
  const ProxyMethod linear({}, 2, 1);
  EXPECT_EQ(linear.factors(Factors{0.25, 0.75}), (Factors{0.25, 0.75, 0}));
  // Like `demix merge`, it divides by the sum.
  EXPECT_EQ(linear.factors(Factors{1, 3}), (Factors{0.25, 0.75, 0}));
  const ProxyMethod as_given({"linear", {{"normalize", "false"}}}, 2, 1);
  EXPECT_EQ(as_given.factors(Factors{1, 3}), (Factors{1, 3, 0}));
}

TEST(ProxyMethod, TheBaseTakesWhatLambdaLeaves) {
  const ProxyMethod shrunk({"linear", {{"lambda", "0.5"}}}, 2, 1);
  EXPECT_EQ(shrunk.factors(Factors{0.25, 0.75}), (Factors{0.125, 0.375, 0.5}));
  const ProxyMethod updates({"task_arithmetic", {}}, 2, 1);
  EXPECT_EQ(updates.factors(Factors{0.5, 1}), (Factors{0.5, 1, -0.5}));
}

TEST(ProxyMethod, OtherMethodsAreNoSums) {
  EXPECT_FALSE(ProxyMethod({"ties", {}}, 2, 1).factors(Factors{0.5, 0.5}));
  EXPECT_FALSE(ProxyMethod({"karcher", {}}, 2, 1).factors(Factors{0.5, 0.5}));
}

TEST(ProxyMethod, WeightsMustBeFiniteOnePerComponentAndMergeable) {
  const ProxyMethod linear({}, 2, 1);
  EXPECT_THROW(linear.factors(Factors{1}), Error);
  EXPECT_THROW(linear.factors(Factors{1, INFINITY}), Error);
  EXPECT_THROW(linear.factors(Factors{1, -1}), Error);
}

TEST(ProxyMethod, TheKeyHoldsWhateverChangesAProxy) {
  const auto key = [](const std::string& method,
                      const std::map<std::string, std::string>& parameters,
                      uint64_t seed) { return ProxyMethod({method, parameters}, 3, seed).key(); };
  EXPECT_EQ(key("linear", {}, 1), key("linear", {{"lambda", "1.0"}}, 2));
  EXPECT_NE(key("linear", {}, 1), key("linear", {{"lambda", "0.9"}}, 1));
  EXPECT_NE(key("linear", {}, 1), key("task_arithmetic", {}, 1));
  EXPECT_NE(key("dare_ties", {}, 1), key("dare_ties", {}, 2));
  EXPECT_NE(key("ties", {{"density", "0.5"}}, 1), key("ties", {{"density", "0.4"}}, 1));
}

}  // namespace
}  // namespace demix
