#include "demix/run/proxy.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

namespace demix {
namespace {

ProxySetup two_components() {
  return {.base = "base hash",
          .components = {"a hash", "b hash"},
          .names = {"a", "b"},
          .merge = "linear",
          .sum_of_models = true,
          .dtype = "float32",
          .tasks = {{"quiz", "quiz hash"}}};
}

const std::vector<double> kWeights = {0.25, 0.75};

// What Python's hashlib makes of the same fields: another key would score anew all that the run
// folders of today hold.
TEST(Proxy, KeysAreThoseOfTheJournalsThatThereAre) {
  EXPECT_EQ(setup_key(two_components()),
            "a34e3e6fb94887e627f43a8fb03358f4f4b8b84d167487f8e6975be2c4830ea4");
  EXPECT_EQ(proxy_key(two_components(), kWeights, "evaluation hash"),
            "3d59c3564febd783b6c1bcea94658e98fdc8e5e6e2f9464194cce76cacaf7974");
}

TEST(Proxy, WhateverItsScoresDependOnGivesAnotherKey) {
  std::set<std::string> keys = {proxy_key(two_components(), kWeights, "evaluation hash")};
  const auto expect_new = [&](const ProxySetup& setup,
                              const std::vector<double>& weights,
                              const std::string& evaluation) {
    EXPECT_TRUE(keys.insert(proxy_key(setup, weights, evaluation)).second);
  };
  ProxySetup setup = two_components();
  setup.base = "another";
  expect_new(setup, kWeights, "evaluation hash");
  setup = two_components();
  std::swap(setup.components[0], setup.components[1]);
  expect_new(setup, kWeights, "evaluation hash");
  setup = two_components();
  setup.merge = "ensemble";
  expect_new(setup, kWeights, "evaluation hash");
  setup = two_components();
  setup.dtype = "bfloat16";
  expect_new(setup, kWeights, "evaluation hash");
  expect_new(two_components(), {0.75, 0.25}, "evaluation hash");
  expect_new(two_components(), kWeights, "another");
}

TEST(Proxy, NamesAreNoPartOfItsKey) {
  ProxySetup renamed = two_components();
  renamed.names = {"c", "d"};
  EXPECT_EQ(proxy_key(renamed, kWeights, "e"), proxy_key(two_components(), kWeights, "e"));
}

TEST(Proxy, SetupsAreReadAsTheyWereWritten) {
  const Json written = two_components();
  EXPECT_EQ(Json(written.get<ProxySetup>()), written);
}

}  // namespace
}  // namespace demix
