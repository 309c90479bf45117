#include "demix/search/observations.h"

#include <gtest/gtest.h>

#include "tests/message_of.h"

namespace demix {
namespace {

class ObservationsTest : public testing::Test {
 protected:
  Observations two() const {
    Observations observations(composition_, objective_);
    observations.add(0, std::vector<double>{1, 0}, {{"acc", {0.5, 0.1}}, {"loss", {2, 0}}}, "a");
    observations.add(1, std::vector<double>{0, 1}, {{"acc", {0.7, 0.1}}, {"loss", {3, 0}}}, "b");
    return observations;
  }
  const Composition composition_ = Composition::anchored({"web", "code"}, "web", 0.5);
  const Objective objective_{{{"acc", "general"}, {"loss", "code", false}}};
};

TEST_F(ObservationsTest, KeepWhatWasMeasuredInOrder) {
  const Observations observations = two();
  ASSERT_EQ(observations.size(), 2u);
  EXPECT_EQ(observations.mixtures().row(1)[1], 1);
  EXPECT_EQ(observations.proxies()[1].data_shares, (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(observations.domain_scores(0), (std::vector<double>{0.5, 0.7}));
  EXPECT_EQ(observations.domain_scores(1), (std::vector<double>{-2, -3})) << "higher is better";
  EXPECT_EQ(observations.values_of_metric(1), (std::vector<double>{2, 3}));
}

TEST_F(ObservationsTest, AreRankedByTheMeanOverDomains) {
  for (const EvaluatedMixture& proxy : two().ranked()) EXPECT_EQ(proxy.objective, 0.75);
}

TEST_F(ObservationsTest, AMissingScoreIsNamedWithItsProxy) {
  Observations observations(composition_, objective_);
  const std::string message = message_of(
      [&] { observations.add(0, std::vector<double>{1, 0}, {{"acc", {0.5, 0}}}, "proxy 1"); });
  EXPECT_NE(message.find("proxy 1"), std::string::npos) << message;
  EXPECT_NE(message.find("loss"), std::string::npos) << message;
  EXPECT_EQ(observations.size(), 0u);
}

}  // namespace
}  // namespace demix
