#include "demix/study/agreement.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "demix/core/ranks.h"

namespace demix {
namespace {

const std::vector<double> kMath = {0.1, 0.4, 0.2, 0.9, 0.6, 0.3};
const std::vector<double> kCode = {0.5, 0.3, 0.8, 0.1, 0.2, 0.7};

StudyTables tables_of(const std::vector<std::vector<double>>& trained) {
  StudyTables tables;
  tables.datasets = {"a", "b"};
  tables.domains = {"code", "math"};
  for (size_t i = 0; i < trained[0].size(); ++i) {
    tables.references.push_back(
        {"r" + std::to_string(i), 101, {0.5, 0.5}, {trained[0][i], trained[1][i]}, {0.1, 0.1}});
  }
  return tables;
}

void add_estimates(StudyTables& tables,
                   const std::string& experiment,
                   const std::string& chooser,
                   const std::vector<double>& code,
                   const std::vector<double>& math) {
  for (size_t i = 0; i < code.size(); ++i)
    tables.estimates.push_back({experiment, chooser, "r" + std::to_string(i), {code[i], math[i]}});
}

const AgreementRow& row_of(const std::vector<AgreementRow>& rows,
                           const std::string& experiment,
                           const std::string& chooser,
                           const std::string& scope,
                           const std::string& statistic) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const AgreementRow& row) {
    return row.experiment == experiment && row.chooser == chooser && row.scope == scope &&
           row.statistic == statistic;
  });
  EXPECT_NE(found, rows.end()) << experiment << " " << chooser << " " << scope << " " << statistic;
  return *found;
}

TEST(StudyAgreement, MacroIsTheMeanOverDomainsAndOfAnArmTheMeanOverItsSeeds) {
  StudyTables tables = tables_of({kCode, kMath});
  add_estimates(tables, "full.1", "merge", kCode, kCode);
  add_estimates(tables, "full.2", "merge", kCode, kMath);
  const auto rows = agreement_of(tables, Rng(1), {.resamples = 200});
  const double wrong = *spearman(kCode, kMath);
  EXPECT_NEAR(*row_of(rows, "full.1", "merge", "math", "spearman").evidence.value, wrong, 1e-12);
  EXPECT_NEAR(
      *row_of(rows, "full.1", "merge", "macro", "spearman").evidence.value, (1 + wrong) / 2, 1e-12);
  EXPECT_NEAR(*row_of(rows, "full.2", "merge", "macro", "spearman").evidence.value, 1, 1e-12);
  EXPECT_NEAR(
      *row_of(rows, "full", "merge", "macro", "spearman").evidence.value, (3 + wrong) / 4, 1e-12);
}

TEST(StudyAgreement, EstimatesOfSeveralSeedsAreAveragedBeforeTheyAreRanked) {
  StudyTables tables = tables_of({kCode, kMath});
  std::vector<double> up = kMath, down = kMath;
  const std::vector<double> noise = {3, -1, 2, -2, 1, -3};
  for (size_t i = 0; i < noise.size(); ++i) {
    up[i] += noise[i];
    down[i] -= noise[i];
  }
  add_estimates(tables, "full.1", "merge", kCode, up);
  add_estimates(tables, "full.2", "merge", kCode, down);
  const auto rows = agreement_of(tables, Rng(1), {.resamples = 200});
  EXPECT_LT(*row_of(rows, "full", "merge", "math", "spearman").evidence.value, 0.5);
  EXPECT_NEAR(*row_of(rows, "full.mean", "merge", "math", "spearman").evidence.value, 1, 1e-12);
}

TEST(StudyAgreement, TheLeadOverAFreeChooserIsPaired) {
  StudyTables tables = tables_of({kCode, kMath});
  add_estimates(tables, "full.1", "merge", kCode, kMath);
  add_estimates(tables, "full.1", "interpolation", kCode, kMath);
  const auto rows = agreement_of(tables, Rng(1), {.resamples = 200});
  const Evidence& lead =
      row_of(rows, "full.1", "merge", "macro", "spearman_lead.interpolation").evidence;
  EXPECT_EQ(*lead.value, 0);
  EXPECT_EQ(*lead.low, 0);
  EXPECT_EQ(*lead.high, 0);
}

TEST(StudyAgreement, AChooserThatMissesAReferenceIsLeftOut) {
  StudyTables tables = tables_of({kCode, kMath});
  add_estimates(tables, "full.1", "merge", kCode, kMath);
  add_estimates(tables, "full.1", "own_share", kCode, kMath);
  tables.estimates.pop_back();
  for (const AgreementRow& row : agreement_of(tables, Rng(1), {.resamples = 200}))
    EXPECT_EQ(row.chooser, "merge");
}

TEST(StudyAgreement, ASecondTrainingOfTheReferencesShowsWhatCanBeReached) {
  StudyTables tables = tables_of({kCode, kMath});
  add_estimates(tables, "full.1", "merge", kCode, kMath);
  for (size_t i = 0; i < kCode.size(); ++i) {
    tables.references.push_back(
        {"r" + std::to_string(i), 102, {0.5, 0.5}, {kCode[i], kCode[i]}, {0.1, 0.1}});
  }
  const auto rows = agreement_of(tables, Rng(1), {.resamples = 200});
  EXPECT_NEAR(
      *row_of(rows, "references", "trained_again", "code", "spearman").evidence.value, 1, 1e-12);
  EXPECT_NEAR(*row_of(rows, "references", "trained_again", "math", "spearman").evidence.value,
              *spearman(kMath, kCode),
              1e-12);
}

}  // namespace
}  // namespace demix
