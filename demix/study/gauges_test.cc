#include "demix/study/gauges.h"

#include <gtest/gtest.h>

#include <cmath>

namespace demix {
namespace {

// Five references that merges and interpolation rank alike, `lead` above each other.
StudyTables tables_with(double lead) {
  StudyTables tables;
  tables.datasets = {"wiki"};
  tables.domains = {"general"};
  for (int i = 0; i < 5; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    tables.references.push_back({name, 101, {1}, {-2}, {0.5}});
    tables.estimates.push_back({"full.1", "merge", name, {i + lead}});
    tables.estimates.push_back({"full.1", "interpolation", name, {1. * i}});
  }
  tables.signs = {{"full.1", {{"drift", 0.125}, {"gauge", 0.5}, {"gauge.words", 0.5}}}};
  return tables;
}

using Values = std::map<std::string, double>;

TEST(StudyGauges, TakeThePlaceOfEarlierOnes) {
  StudyTables tables = tables_with(1);
  add_gauge(tables, "full.1");
  EXPECT_EQ(tables.signs[0].values.size(), 3u);  // with the drift
  EXPECT_NEAR(tables.signs[0].values.at("gauge"), 1, 1e-9);
  EXPECT_NEAR(tables.signs[0].values.at("gauge.general"), 1, 1e-9);
}

TEST(StudyGauges, AreZeroWhereMergesScoreBelowInterpolation) {
  StudyTables tables = tables_with(-0.5);
  add_gauge(tables, "full.1");
  EXPECT_EQ(tables.signs[0].values, (Values{{"drift", 0.125}, {"gauge", 0}, {"gauge.general", 0}}));
}

TEST(StudyGauges, HaveNoValueWhereAnEstimateIsMissing) {
  StudyTables tables = tables_with(1);
  tables.estimates[4].scores = {std::nan("")};
  add_gauge(tables, "full.1");
  EXPECT_EQ(tables.signs[0].values, (Values{{"drift", 0.125}}));
  tables.estimates.pop_back();
  add_gauge(tables, "full.1");
  EXPECT_EQ(tables.signs[0].values, (Values{{"drift", 0.125}}));
  add_gauge(tables, "references");  // without signs
  EXPECT_EQ(tables.signs.size(), 1u);
}

}  // namespace
}  // namespace demix
