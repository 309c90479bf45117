#include "demix/run/gains.h"

#include <algorithm>

#include "demix/core/error.h"
#include "demix/run/run_facts.h"

namespace demix {

bool is_refined(const MixtureFacts& facts) { return facts.name.starts_with("refined_"); }

void record_gains(const ScoreSheet& sheet,
                  const ItemSplit& split,
                  GainOf of,
                  const TermsOfMixtures& terms,
                  std::vector<MixtureFacts>& mixtures,
                  const std::string& found) {
  const auto scores_of = [&](const MixtureFacts& facts) -> const ModelScores& {
    return of == GainOf::kProxies ? facts.proxy : facts.trained;
  };
  const auto reported = [&](const std::string& name) {
    const auto known = terms.find(name);
    return known == terms.end() ? TermsByMetric() : split.terms_of(known->second, Part::kReport);
  };
  const auto best = std::find_if(mixtures.begin(), mixtures.end(), [&](const MixtureFacts& facts) {
    return facts.name == found;
  });
  const TermsByMetric its = reported(found);
  for (MixtureFacts& facts : mixtures) {
    const bool searched = facts.name == "found" && found != "found";
    if (!is_baseline(facts) && !searched) continue;
    DEMIX_CHECK(best != mixtures.end());
    facts.found_gain =
        sheet.gain({reported(facts.name), scores_of(facts)}, {its, scores_of(*best)});
    if (of == GainOf::kProxies) facts.found_gain_proxy = facts.found_gain;
  }
}

}  // namespace demix
