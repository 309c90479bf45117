#include "demix/validate/own_data.h"

#include <gtest/gtest.h>

#include "tests/message_of.h"

namespace demix {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Components and base on held-out text, as they came out in runs of seven datasets.
HeldOutScores healthy() {
  return {.datasets = {"code_high", "code_low", "math_high", "web"},
          .bits = {{3.31, 5.14, 3.53, 3.17},
                   {3.41, 4.85, 3.56, 3.20},
                   {3.49, 5.26, 3.18, 3.10},
                   {3.95, 5.99, 3.80, 2.98}},
          .errors = std::vector<std::vector<double>>(4, std::vector<double>(4, 0.02)),
          .base = {4.10, 6.10, 3.95, 3.02},
          .base_errors = {0.02, 0.02, 0.02, 0.02},
          .reads_most = {true, true, true, true}};
}

std::vector<OwnData> readings(const HeldOutScores& scores) {
  std::vector<OwnData> all;
  for (const auto& component : read_own_data(scores).components) all.push_back(component.reading);
  return all;
}

TEST(OwnData, NothingIsSaidWhereEachComponentIsTheBestOnItsOwnText) {
  EXPECT_EQ(readings(healthy()), std::vector<OwnData>(4, OwnData::kBest));
  EXPECT_TRUE(read_own_data(healthy()).warnings.empty());
}

TEST(OwnData, AComponentThatStoppedEarlyIsBehindAnother) {
  HeldOutScores scores = healthy();
  scores.bits[0] = {3.66, 5.58, 3.65, 3.02};
  const OwnDataReading reading = read_own_data(scores);
  EXPECT_EQ(reading.components[0].reading, OwnData::kBehind);
  EXPECT_EQ(reading.components[0].best, 1u);
  EXPECT_EQ(reading.components[1].reading, OwnData::kBest);
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_EQ(reading.warnings[0],
            "The component of code_high is not the best on held-out text of code_high (3.66 bits "
            "per byte; that of code_low 3.41): a wrong folder, or a training that stopped early or "
            "diverged. Check it before anything else.");
}

TEST(OwnData, ComponentsThatWereTakenForEachOtherAreNamedWithWhatTheyAreTheBestOn) {
  HeldOutScores scores = healthy();
  std::swap(scores.bits[0], scores.bits[2]);
  const OwnDataReading reading = read_own_data(scores);
  EXPECT_EQ(
      readings(scores),
      (std::vector<OwnData>{OwnData::kBehind, OwnData::kBest, OwnData::kBehind, OwnData::kBest}));
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_MENTIONS(reading.warnings[0],
                  "The components of code_high, math_high are not the best on held-out text of "
                  "their own datasets (code_high 3.49 bits per byte; that of math_high 3.31, "
                  "math_high 3.53 bits per byte; that of code_high 3.18)");
  EXPECT_MENTIONS(reading.warnings[0],
                  "Best of all is that of code_high on math_high, that of math_high on code_high.");
}

TEST(OwnData, AComponentThatIsWorseThanTheBaseDiverged) {
  HeldOutScores scores = healthy();
  scores.bits[0] = {14.53, 15.1, 14.9, 14.2};
  const OwnDataReading reading = read_own_data(scores);
  EXPECT_EQ(reading.components[0].reading, OwnData::kBelowBase);
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_MENTIONS(reading.warnings[0],
                  "worse than the base on held-out text of code_high (14.53 bits per byte; the "
                  "base 4.10): the training diverged");
  // What training on the anchor may cost a base that knows it is no failure.
  scores = healthy();
  for (std::vector<double>& bits : scores.bits) bits[3] += 0.4;
  EXPECT_EQ(readings(scores)[3], OwnData::kForgot);
  EXPECT_FALSE(failed(OwnData::kForgot));
  EXPECT_MENTIONS(read_own_data(scores).warnings.at(0),
                  "The component of web is worse than the base on held-out text of web (3.38 bits "
                  "per byte; the base 3.02): the base had learned such text");
  scores.bits[3][3] = 3.9;
  scores.bits[0][3] = scores.bits[1][3] = scores.bits[2][3] = 4;
  EXPECT_EQ(readings(scores)[3], OwnData::kBelowBase) << "by more than others learned";
  scores = healthy();
  scores.bits[3][3] = 3.05;
  EXPECT_EQ(readings(scores)[3], OwnData::kBest);
}

TEST(OwnData, PartsOfOneDatasetCannotBeToldApartThoughOneTrainingWentBetter) {
  // The base had read such text, so that little was learned.
  HeldOutScores scores{.datasets = {"d0", "d1", "d2", "d3"},
                       .bits = {{2.867, 2.906, 2.841, 2.917},
                                {2.852, 2.892, 2.821, 2.905},
                                {2.852, 2.893, 2.822, 2.906},
                                {2.857, 2.899, 2.829, 2.909}},
                       .errors = std::vector<std::vector<double>>(4, std::vector<double>(4, 0.003)),
                       .base = {2.867, 2.903, 2.834, 2.915},
                       .base_errors = {0.003, 0.005, 0.003, 0.004},
                       .reads_most = {true, true, true, true}};
  const OwnDataReading reading = read_own_data(scores);
  EXPECT_EQ(readings(scores), std::vector<OwnData>(4, OwnData::kAlike));
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_EQ(reading.warnings[0],
            "Nothing tells the components of d0, d1, d2, d3 from others (d1, d2, d3) on their own "
            "held-out text: the datasets say the same, or the components were trained too "
            "little; which of them a mixture takes is chance.");
}

TEST(OwnData, ALeadWithinTwoErrorsTellsNothingAndOfOneDocumentOnlyItsSize) {
  HeldOutScores scores = healthy();
  scores.errors[1][0] = 0.06;  // a lead of 0.10
  const OwnDataReading reading = read_own_data(scores);
  EXPECT_EQ(reading.components[0].reading, OwnData::kAlike);
  EXPECT_MENTIONS(
      reading.warnings[0],
      "Nothing tells the component of code_high from that of code_low on its own held-out text:");
  scores.errors[1][0] = kNaN;
  EXPECT_EQ(readings(scores)[0], OwnData::kBest);
  scores.errors[2][2] = scores.errors[0][2] = 0.3;
  EXPECT_EQ(readings(scores)[2], OwnData::kBest) << "a large lead counts though documents vary";
  scores.bits[0][0] = 3.66;
  EXPECT_EQ(readings(scores)[0], OwnData::kBehind);
}

TEST(OwnData, WhatIsNotScoredOrReadMoreByAnotherIsNotChecked) {
  HeldOutScores scores = healthy();
  for (size_t k = 0; k < 4; ++k) scores.bits[k][1] = scores.errors[k][1] = kNaN;
  scores.base[1] = kNaN;
  scores.bits[0][0] = 5;
  scores.reads_most[0] = false;
  EXPECT_EQ(readings(scores),
            (std::vector<OwnData>{
                OwnData::kUnchecked, OwnData::kUnchecked, OwnData::kBest, OwnData::kBest}));
  EXPECT_TRUE(read_own_data(scores).warnings.empty());
}

TEST(OwnData, ReadingsHaveNames) {
  for (const OwnData reading : {OwnData::kUnchecked,
                                OwnData::kBest,
                                OwnData::kAlike,
                                OwnData::kForgot,
                                OwnData::kBehind,
                                OwnData::kBelowBase})
    EXPECT_EQ(own_data_named(name_of(reading)), reading);
  EXPECT_EQ(own_data_named("unheard of"), OwnData::kUnchecked);
}

}  // namespace
}  // namespace demix
