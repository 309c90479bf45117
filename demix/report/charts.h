// The charts of the page. Each returns markup for whatever is known, and nothing when nothing is.
#pragma once

#include <string>
#include <vector>

#include "demix/report/html.h"
#include "demix/report/plot.h"
#include "demix/report/result.h"

namespace demix {

// The mixture found as bars, natural and uniform as marks, for data shares p and merge weights α;
// the rows carry the numbers, so it is chart and table in one. Largest share first.
Html mixture_chart(const RunResult& result);

// One chooser's scores against those of really trained models, one panel per domain, with 95 %
// bars, the line y = x and the least-squares line.
enum class Chooser { kProxy, kOtherProxy, kInterpolation, kOwnShare, kCalibrated };
Html scatter_chart(const RunResult& result, Chooser chooser);
const char* chooser_name(const RunResult& result, Chooser chooser);
const ChooserFidelity& fidelity_of(const RunResult& result, Chooser chooser);

// Objective of every proxy in the order of scoring, best so far, and what the predictor predicted.
Html progress_chart(const RunResult& result);

// The three mixtures' scores on one task or domain, really trained above, merged proxies below;
// better is to the right.
struct ScoreRow {
  Score found_trained, natural_trained, uniform_trained;
  Score found_proxy, natural_proxy, uniform_proxy;
  double chance = kUnknown;
  bool higher_is_better = true;
};
Html score_strip(const ScoreRow& row);

// A statistic and its interval on [-1, 1], zero marked.
Html interval_strip(const Estimate& estimate, const char* css_class);

// Seconds per stage as one stacked bar with its legend.
Html seconds_bar(const Cost& cost);

}  // namespace demix
