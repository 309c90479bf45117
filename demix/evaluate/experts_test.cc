#include "demix/evaluate/experts.h"

#include <gtest/gtest.h>

#include <cmath>

#include "demix/core/error.h"

namespace demix {
namespace {

const std::vector<std::string> kNames = {"wiki", "code"};

TEST(Experts, AverageTheProbabilitiesOfEachToken) {
  const std::vector<std::vector<float>> tokens = {{std::log(0.5F), std::log(0.1F)},
                                                  {std::log(0.25F), std::log(0.9F)}};
  const Experts experts(tokens, kNames);
  const std::vector<float> mixed = experts.mixed(std::vector{0.4, 0.6});
  EXPECT_NEAR(mixed[0], std::log(0.4 * 0.5 + 0.6 * 0.25), 1e-6);
  EXPECT_NEAR(mixed[1], std::log(0.4 * 0.1 + 0.6 * 0.9), 1e-6);
  EXPECT_EQ(experts.mixed(std::vector{1.0, 0.0}), tokens[0]);
}

TEST(Experts, ProbabilitiesBelowWhatFloatsHoldAreKept) {
  const std::vector<std::vector<float>> tokens = {{-500}, {-501}};
  const double expected = -500 + std::log(0.5 + 0.5 * std::exp(-1.0));
  EXPECT_NEAR(Experts(tokens, kNames).mixed(std::vector{0.5, 0.5})[0], expected, 1e-4);
}

std::string message(const std::vector<std::vector<float>>& tokens) {
  try {
    Experts(tokens, kNames);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Experts, ModelsOfOtherTextOrWithoutFiniteLogitsAreRefusedByName) {
  EXPECT_NE(message({{-1, -2}, {-1}}).find("code has 1"), std::string::npos)
      << message({{-1, -2}, {-1}});
  EXPECT_NE(message({{-1}, {std::nanf("")}}).find("code: the log-likelihood of a token is nan"),
            std::string::npos);
}

}  // namespace
}  // namespace demix
