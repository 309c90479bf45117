// Which mixture each chooser decides for, by the same search with another evaluator.
#pragma once

#include <string>
#include <vector>

#include "demix/study/experiment.h"

namespace demix {

struct DecidedMixture {
  std::string chooser;
  std::vector<double> shares;  // data shares
};

// Each domain in standard deviations of the references (`trained`, by domain) from their mean,
// averaged.
double aggregate_of(const std::vector<Score>& scores,
                    const std::vector<std::vector<double>>& trained);

// By those choosers of `decisions.choosers`:
// "natural" and "uniform", as the components can express them (equal merge weights), and with
// "_unprojected" behind their names token counts and equal parts as they are; "merge" and the arm's
// other merges, "ensemble", "interpolation" and "own_share" of the experiment; "calibrated", these
// calibrated on all trained references of `tables`, and "references_only", the same without
// estimates; "calibrated_few", on one training of the first `taught` references,
// "calibrated_few_cautiously", the same less a standard deviation of what is not known; "refined",
// "refined_boldly", "refined_cautiously" and "refined_by_shares", which begin with those and then
// train `refined` more, one after the other, where they expect most (boldly: most plus a standard
// deviation of what is not known, cautiously: less that, in the decision as well; by shares:
// without estimates), and with "_trained" behind their names the best of what they trained
// themselves, as they expect then; and by proxies that are really trained, with the components'
// tokens among them: "regmix" (one round, LightGBM, average of the best), "climb" (three rounds of
// it) and "trained_proxies" (those of regmix, with the predictor and the optimum of the run's
// search).
std::vector<DecidedMixture> decide(StudyContext& context,
                                   Experiment& experiment,
                                   const StudyTables& tables);

}  // namespace demix
