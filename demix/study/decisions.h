// Which mixture each chooser decides for, by the same search with another evaluator.
#pragma once

#include <string>
#include <vector>

#include "demix/study/experiment.h"

namespace demix {

struct Decision {
  std::string chooser;
  std::vector<double> shares;  // data shares
};

// Estimates that calibration on references learns from.
inline constexpr const char* kCalibratedFrom[] = {
    "merge", "ensemble", "interpolation", "own_share"};

// By merges, ensembles, interpolation and own share of the experiment; "calibrated", all of these
// calibrated on the trained references of `tables`; "references_only", a Gaussian process over
// them; "natural" and "uniform"; and by proxies that are really trained, with the components'
// tokens among them: "regmix" (one round, LightGBM, average of the best), "climb" (three rounds of
// it) and "trained_proxies" (those of regmix, with the predictor and the optimum of the run's
// search).
std::vector<Decision> decide(StudyContext& context,
                             Experiment& experiment,
                             const StudyTables& tables);

}  // namespace demix
