#include "demix/validate/gauge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

constexpr size_t kFewestProxies = 5;
constexpr const char* kRemedy =
    "Train components for fewer steps or at a lower rate, mix in more of the anchor, or let "
    "references decide (validate.references).";

// A barrier is one beyond so many standard errors, and beyond this part of the spread of the
// proxies' interpolated scores: below it the order of mixtures hardly feels it.
constexpr double kBeyondNoise = 2, kOfSpread = 0.25;

std::optional<double> domain_gauge(const std::vector<double>& proxies,
                                   const std::vector<double>& interpolated,
                                   double noise) {
  const auto agreement = spearman(proxies, interpolated);
  if (!agreement) return std::nullopt;
  const double spread = standard_deviation(proxies);
  const double noise_share = noise * noise / (spread * spread);
  return std::max(0.0, *agreement) * std::sqrt(std::max(0.0, 1 - noise_share));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// `typical`: the median of the drifts, 0 without any.
void warn_of_drifts(const GaugeSigns& signs, double typical, GaugeReading& reading) {
  if (typical >= kDriftLimit) {
    reading.warnings.push_back(fmt::format(
        "The components lie about {:.2f} from the base, where {} is far: they are models "
        "of their own, and proxies put together from them need not be like any that is "
        "trained. {}",
        typical,
        kDriftLimit,
        kRemedy));
  }
  if (signs.drifts.size() < 3 || typical == 0) return;
  for (size_t k = 0; k < signs.drifts.size(); ++k) {
    if (signs.drifts[k] < kDriftOutlier * typical) continue;
    reading.warnings.push_back(fmt::format(
        "Component {} lies {:.2f} from the base, the others about {:.2f}: it diverged or was "
        "trained otherwise, and every proxy with a share of it is suspect. Train it anew.",
        signs.components[k],
        signs.drifts[k],
        typical));
  }
}

}  // namespace

std::vector<double> barriers_of(const std::vector<std::vector<double>>& merged,
                                const std::vector<std::vector<double>>& interpolated) {
  std::vector<double> barriers;
  for (size_t d = 0; d < merged.size(); ++d)
    barriers.push_back(mean(interpolated[d]) - mean(merged[d]));
  return barriers;
}

std::optional<GaugeReading> read_gauge(const GaugeSigns& signs) {
  const size_t domains = signs.domains.size();
  DEMIX_CHECK(domains > 0 && signs.proxies.size() == domains &&
              signs.interpolated.size() == domains && signs.noise.size() == domains &&
              (signs.barriers.empty() || signs.barriers.size() == domains));
  if (signs.proxies[0].size() < kFewestProxies) return std::nullopt;
  GaugeReading reading;
  std::vector<std::string> weak, broken;
  for (size_t d = 0; d < domains; ++d) {
    const double noise = std::isfinite(signs.noise[d]) ? signs.noise[d] : 0;
    const auto value = domain_gauge(signs.proxies[d], signs.interpolated[d], noise);
    if (!value) return std::nullopt;
    const double tolerated =
        std::max(kBeyondNoise * noise, kOfSpread * standard_deviation(signs.interpolated[d]));
    const bool breaks = !signs.barriers.empty() && signs.barriers[d] > tolerated;
    if (breaks)
      broken.push_back(fmt::format("{} (by {:.3g})", signs.domains[d], signs.barriers[d]));
    reading.domains.push_back(breaks && signs.merges ? 0 : *value);
    if (breaks && signs.merges) continue;  // said below
    if (*value < kGaugeLimit) weak.push_back(fmt::format("{} ({:.2f})", signs.domains[d], *value));
  }
  reading.value = mean(reading.domains);
  const double drift = signs.drifts.empty() ? 0 : median(signs.drifts);
  reading.broken = drift >= kDriftLimit || !broken.empty();
  if (reading.broken && broken.empty()) {
    reading.verdict =
        "The components lie too far from the base to be put together. Do not act on these proxies "
        "without references.";
  } else if (reading.broken) {
    reading.verdict = fmt::format(
        "Merging breaks: merged models score below the average of their components.{} Do not act "
        "on these proxies without references.",
        signs.merges ? "" : " Ensembles do not merge weights, and suffer less.");
  } else if (reading.value >= kGaugeGood && weak.empty()) {
    reading.verdict =
        "The proxies rank mixtures as the components' own scores do: nothing breaks in putting the "
        "components together.";
  } else if (reading.value >= kGaugeLimit) {
    reading.verdict =
        "The proxies and the components' own scores rank mixtures differently in part: only "
        "references can say which is right.";
  } else {
    reading.verdict =
        "The proxies rank mixtures otherwise than the components' own scores, or their "
        "differences are lost in noise: do not act on them without references.";
  }
  if (!broken.empty()) {
    reading.warnings.push_back(
        fmt::format("Merged models score below the average of their components in {}: the "
                    "components went too far to be put together. {}",
                    fmt::join(broken, ", "),
                    kRemedy));
  }
  if (!weak.empty()) {
    reading.warnings.push_back(
        fmt::format("The proxies cannot be trusted for {}: their gauge is below {:.1f}. {}",
                    fmt::join(weak, ", "),
                    kGaugeLimit,
                    kRemedy));
  }
  warn_of_drifts(signs, drift, reading);
  return reading;
}

}  // namespace demix
