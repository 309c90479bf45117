// How well each chooser of a study foretold the references, with intervals.
#pragma once

#include <string>
#include <vector>

#include "demix/core/rng.h"
#include "demix/study/tables.h"
#include "demix/validate/statistics.h"

namespace demix {

// One statistic of one chooser. `experiment` is that of the estimates, such as "quarter.1", or an
// arm: "quarter" is the mean of the statistic over the arm's experiments, "quarter.mean" the
// statistic of the estimates' mean over them. `scope` is a domain, or "macro": the mean over
// domains, and for regret that of the mean percentile rank over domains. Statistics are those of
// AgreementEvidence, and for macro spearman_lead.CHOOSER and regret_lead.CHOOSER: what is above
// that of interpolation, own_share or merge, on the same references. Intervals are of the choice of
// references; all statistics share the resamples.
struct AgreementRow {
  std::string experiment, chooser, scope, statistic;
  Evidence evidence;
};

// Of all experiments and arms, in the order of the estimates. The truth are the references' mean
// scores over their seeds. A chooser "trained_again" of experiment "references" is the first seed
// as an estimate of the mean of the others, where there are more: no estimate can be expected to
// agree better.
std::vector<AgreementRow> agreement_of(const StudyTables& tables,
                                       const Rng& rng,
                                       const BootstrapConfig& config = {});

// agreement.csv: experiment,chooser,scope,statistic,value,low,high.
std::string agreement_csv(const std::vector<AgreementRow>& rows);
// Macro Spearman and regret of arms and choosers, for people.
std::string agreement_table(const std::vector<AgreementRow>& rows);

}  // namespace demix
