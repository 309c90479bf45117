// What one mixture gains over others, item by item, on the items that gains are reported on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "demix/evaluate/metrics.h"
#include "demix/report/result.h"
#include "demix/run/item_split.h"
#include "demix/run/score_sheet.h"

namespace demix {

// What each item added to the scores of mixtures, by their names.
using TermsOfMixtures = std::map<std::string, TermsByMetric>;

// Further references that are placed by those before (validate.refine) are named refined_1, ….
bool is_refined(const MixtureFacts& facts);

// What the mixture named `found` gains over the baselines (and over what the search found, where
// that is another), into their found_gain. Models gain by `trained`, proxies by `proxy` and into
// found_gain_proxy too. Of mixtures without terms, which were scored elsewhere, a gain is the
// difference of the scores.
enum class GainOf { kProxies, kModels };
void record_gains(const ScoreSheet& sheet,
                  const ItemSplit& split,
                  GainOf of,
                  const TermsOfMixtures& terms,
                  std::vector<MixtureFacts>& mixtures,
                  const std::string& found = "found");

}  // namespace demix
