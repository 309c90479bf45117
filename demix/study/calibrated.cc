#include "demix/study/calibrated.h"

#include <fmt/format.h>

#include <algorithm>

#include "demix/core/error.h"
#include "demix/validate/calibration.h"

namespace demix {
namespace {

// The references, in the order of their first rows, with what the choosers foretold of them.
std::vector<EstimatedMixture> estimated(const StudyTables& tables,
                                        const std::string& experiment,
                                        const std::vector<std::string>& choosers,
                                        const std::vector<std::string>& references) {
  std::vector<EstimatedMixture> mixtures;
  for (const std::string& name : references) {
    const auto row = std::find_if(tables.references.begin(),
                                  tables.references.end(),
                                  [&](const ReferenceRow& r) { return r.reference == name; });
    mixtures.push_back({row->shares, {}});
  }
  for (const std::string& chooser : choosers) {
    const auto scores = estimates_of(tables, experiment, chooser);  // [domain][reference]
    if (scores.empty()) continue;
    for (size_t i = 0; i < mixtures.size(); ++i) {
      auto& own = mixtures[i].estimates.emplace_back();
      for (const auto& of_domain : scores) own.push_back(of_domain[i]);
    }
  }
  return mixtures;
}

}  // namespace

std::vector<std::string> calibrated_from(bool has_ensembles) {
  return {has_ensembles ? "ensemble" : "merge", "interpolation", "own_share"};
}

void add_calibrated(StudyTables& tables, const std::string& experiment) {
  if (estimates_of(tables, experiment, "interpolation").empty()) return;  // without components
  std::vector<std::string> references;
  const auto scores = trained_scores(tables, &references);  // [domain][reference]
  std::vector<std::vector<double>> trained(references.size());
  for (size_t i = 0; i < references.size(); ++i)
    for (const auto& of_domain : scores) trained[i].push_back(of_domain[i]);
  const bool has_ensembles = !estimates_of(tables, experiment, "ensemble").empty();
  const auto with = estimated(tables, experiment, calibrated_from(has_ensembles), references);
  const auto without = estimated(tables, experiment, {}, references);

  const std::string few = fmt::format("_{}", kFewReferences);
  std::erase_if(tables.estimates, [&](const EstimateRow& row) {
    return row.experiment == experiment &&
           (row.chooser == "calibrated" || row.chooser == "calibrated" + few ||
            row.chooser == "shares" || row.chooser == "shares" + few);
  });
  const auto add = [&](const std::string& chooser,
                       const std::vector<std::vector<Forecast>>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      std::vector<double> means;
      for (const Forecast& forecast : expected[i]) means.push_back(forecast.mean);
      tables.estimates.push_back({experiment, chooser, references[i], std::move(means)});
    }
  };
  add("calibrated", calibrated_by_others(with, trained));
  add("calibrated" + few, calibrated_by_few(with, trained, kFewReferences));
  add("shares", calibrated_by_others(without, trained));
  add("shares" + few, calibrated_by_few(without, trained, kFewReferences));
}

}  // namespace demix
