#include "demix/run/reference_warnings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "demix/validate/odd_references.h"
#include "demix/validate/promised_gains.h"

namespace demix {
namespace {

std::vector<const MixtureFacts*> inside(const std::vector<MixtureFacts>& references) {
  std::vector<const MixtureFacts*> kept;
  for (const MixtureFacts& facts : references)
    if (facts.in_correlations && !facts.trained.domains.empty()) kept.push_back(&facts);
  return kept;
}

// Empty where one of the scores is not known.
ReferenceScores table(const std::vector<const MixtureFacts*>& references,
                      const std::function<const std::vector<Score>&(const MixtureFacts&)>& of) {
  ReferenceScores scores;
  for (const MixtureFacts* facts : references) {
    const std::vector<Score>& row = of(*facts);
    if (row.empty()) return {};
    scores.resize(row.size());
    for (size_t d = 0; d < row.size(); ++d) {
      if (!std::isfinite(row[d].value)) return {};
      scores[d].push_back(row[d].value);
    }
  }
  return scores;
}

const std::vector<Score>& trained_of(const MixtureFacts& facts) { return facts.trained.domains; }
const std::vector<Score>& proxy_of(const MixtureFacts& facts) { return facts.proxy.domains; }

}  // namespace

std::string warning_of_odd(const std::vector<MixtureFacts>& references) {
  const std::vector<const MixtureFacts*> kept = inside(references);
  const ReferenceScores trained = table(kept, trained_of);
  std::vector<ReferenceScores> choosers = {table(kept, proxy_of)};
  if (trained.empty() || choosers[0].empty()) return "";
  using Of = const std::vector<Score>& (*)(const MixtureFacts&);
  for (const Of of : {Of([](const MixtureFacts& f) -> const auto& { return f.other_proxy; }),
                      Of([](const MixtureFacts& f) -> const auto& { return f.interpolation; })})
    if (ReferenceScores scores = table(kept, of); !scores.empty())
      choosers.push_back(std::move(scores));
  ReferenceScores shares =
      table(kept, [](const MixtureFacts& f) -> const auto& { return f.own_share; });
  const double factor = shares.empty() ? kWithoutShares : 1;
  if (!shares.empty()) choosers.push_back(std::move(shares));
  const auto odd = find_odd(choosers, trained, factor);
  if (!odd) return "";
  std::vector<std::string> names;
  for (const size_t i : odd->which) names.push_back(kept[i]->name);
  const bool one = names.size() == 1;
  return fmt::format(
      "Without the reference{} {} everything that foretells agrees better with the others: the "
      "proxies' Spearman is {:.2f} instead of {:.2f}. Check {} mixture{} and training{} before the "
      "proxies are blamed: what was read, and whether the loss fell as that of the others.",
      one ? "" : "s",
      fmt::join(names, " and "),
      odd->without,
      odd->agreement,
      one ? "its" : "their",
      one ? "" : "s",
      one ? "" : "s");
}

std::string warning_of_exaggeration(const std::vector<MixtureFacts>& references,
                                    const std::vector<DomainFacts>& domains) {
  const std::vector<const MixtureFacts*> kept = inside(references);
  const ReferenceScores trained = table(kept, trained_of), foretold = table(kept, proxy_of);
  if (trained.empty() || foretold.empty()) return "";
  std::vector<std::string> parts;
  for (size_t d = 0; d < domains.size(); ++d) {
    const auto gains = promised_gains(foretold[d], trained[d]);
    if (gains && gains->high < kExaggerated)
      parts.push_back(fmt::format(
          "{:.2f} in {} [{:.2f}, {:.2f}]", gains->slope, domains[d].name, gains->low, gains->high));
  }
  if (parts.empty()) return "";
  return fmt::format(
      "The proxies exaggerate: of a difference that they foretell between two mixtures, really "
      "trained models showed {} (95 % intervals). Expect no more of the gains that are promised, "
      "and ask whether what is left matters.",
      fmt::join(parts, ", "));
}

}  // namespace demix
