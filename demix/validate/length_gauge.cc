#include "demix/validate/length_gauge.h"

#include <fmt/format.h>

#include <string_view>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {

std::optional<LengthReading> read_length(const LengthSigns& signs) {
  constexpr size_t kFewestMixtures = 5;
  const size_t domains = signs.domains.size();
  DEMIX_CHECK(domains > 0 && signs.early.size() == domains && signs.whole.size() == domains);
  if (signs.whole[0].size() < kFewestMixtures) return std::nullopt;
  LengthReading reading;
  std::vector<std::string> named;
  for (size_t d = 0; d < domains; ++d) {
    const auto agreement = spearman(signs.early[d], signs.whole[d]);
    if (!agreement) return std::nullopt;
    reading.domains.push_back(*agreement);
    named.push_back(fmt::format("{} {:.2f}", signs.domains[d], *agreement));
  }
  reading.value = mean(reading.domains);
  const std::string ranks = fmt::format(
      "after {:.0f} % of their training they ranked mixtures as now with a Spearman of {:.2f} ({})",
      100 * signs.share,
      reading.value,
      fmt::join(named, ", "));
  std::string_view words = "Nothing says that the components are too short: {}.";
  if (reading.value < kLengthGood) words = "Longer components may rank mixtures better: {}.";
  if (reading.value < kLengthLimit) words = "The components may be too short: {}.";
  reading.verdict = fmt::format(fmt::runtime(words), ranks);
  if (reading.value < kLengthLimit) {
    reading.warning = fmt::format(
        "The components may have been trained too little to show where their data leads: {}. Train "
        "them longer (components.tokens), or let references decide.",
        ranks);
  }
  return reading;
}

}  // namespace demix
