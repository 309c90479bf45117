#include "demix/validate/gauge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "demix/core/error.h"
#include "demix/core/ranks.h"

namespace demix {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kFewestMixtures = 5;
constexpr const char* kGentler =
    "Train components for fewer steps or at a lower rate, or mix in more of the anchor.";
constexpr const char* kMoreItems =
    "Give them more items (evaluate.limit, evaluate.held_out_tokens) or another metric.";

// A barrier is one beyond so many standard errors, and beyond this part of the spread of the
// proxies' interpolated scores: below it the order of mixtures hardly feels it.
constexpr double kBeyondNoise = 2, kOfSpread = 0.25;

// One domain's gauge, as the product that it is.
struct DomainGauge {
  double agreement = kNone;  // of proxies and interpolation, at least 0
  double signal = 1;         // the root of the share of the spread that is not noise

  double value() const { return agreement * signal; }
};

DomainGauge domain_gauge(const std::vector<double>& proxies,
                         const std::vector<double>& interpolated,
                         double noise) {
  DomainGauge gauge;
  if (proxies.size() < kFewestMixtures) return gauge;
  const auto agreement = spearman(proxies, interpolated);
  if (!agreement) return gauge;
  gauge.agreement = std::max(0.0, *agreement);
  const double spread = standard_deviation(proxies);
  gauge.signal = std::sqrt(std::max(0.0, 1 - noise * noise / (spread * spread)));
  return gauge;
}

class Reader {
 public:
  explicit Reader(const GaugeSigns& signs)
      : signs_(signs),
        limit_(gauge_limit(signs.merges)),
        drifts_(read_drifts(signs.components, signs.drifts)) {}

  GaugeReading read() {
    for (size_t d = 0; d < signs_.domains.size(); ++d) read_domain(d);
    std::vector<double> known;
    for (const double value : reading_.domains)
      if (!std::isnan(value)) known.push_back(value);
    reading_.value = known.empty() ? kNone : mean(known);
    reading_.broken = !drifts_.standing_out.empty() || drifts_.far || !barriers_.empty();
    reading_.verdict = reading_.broken ? words_for_broken() : words_for_value();
    reading_.warnings = drifts_.warnings;
    warn_of_domains();
    return std::move(reading_);
  }

 private:
  void read_domain(size_t d) {
    const double noise = std::isfinite(signs_.noise[d]) ? signs_.noise[d] : 0;
    const DomainGauge gauge = domain_gauge(signs_.proxies[d], signs_.interpolated[d], noise);
    if (is_barrier(d)) {
      barriers_.push_back(fmt::format("{} (by {:.3g})", signs_.domains[d], signs_.barriers[d]));
      if (signs_.merges) return reading_.domains.push_back(0);
    }
    reading_.domains.push_back(gauge.value());
    if (!(gauge.value() < limit_)) return;
    (gauge.signal < gauge.agreement ? noisy_ : weak_)
        .push_back(fmt::format("{} ({:.2f})", signs_.domains[d], gauge.value()));
  }

  bool is_barrier(size_t d) const {
    if (signs_.barriers.empty() || signs_.interpolated[d].size() < 2) return false;
    const double spread = standard_deviation(signs_.interpolated[d]);
    const double tolerated = std::isfinite(signs_.noise[d])
                                 ? std::max(kBeyondNoise * signs_.noise[d], kOfSpread * spread)
                                 : spread;
    return signs_.barriers[d] > tolerated;
  }

  std::string words_for_broken() const {
    constexpr const char* kDoNot = "Do not act on these proxies";
    if (!drifts_.standing_out.empty())
      return fmt::format(
          "{} lie{} elsewhere than the other components: every proxy with a share "
          "of {} is suspect. {} before {} trained anew.",
          fmt::join(drifts_.standing_out, ", "),
          drifts_.standing_out.size() == 1 ? "s" : "",
          drifts_.standing_out.size() == 1 ? "it" : "them",
          kDoNot,
          drifts_.standing_out.size() == 1 ? "it is" : "they are");
    if (barriers_.empty())
      return fmt::format(
          "The components lie too far from the base to be put together. {} without "
          "references.",
          kDoNot);
    return fmt::format(
        "Merging breaks: merged models score below the average of their components.{} {} without "
        "references.",
        signs_.merges ? "" : " Ensembles do not merge weights, and suffer less.",
        kDoNot);
  }

  std::string words_for_value() const {
    if (std::isnan(reading_.value))
      return "Nothing can be said: there are too few proxies, or all of them score alike.";
    if (reading_.value >= kGaugeGood && weak_.empty() && noisy_.empty())
      return "The proxies rank mixtures as the components' own scores do: nothing breaks in "
             "putting the components together.";
    if (reading_.value >= limit_)
      return "The proxies and the components' own scores rank mixtures differently in part: only "
             "references can say which is right.";
    return "The proxies rank mixtures otherwise than the components' own scores, or their "
           "differences are lost in noise: do not act on them without references.";
  }

  void warn_of_domains() {
    if (!barriers_.empty()) {
      reading_.warnings.push_back(
          fmt::format("Merged models score below the average of their components in {}: the "
                      "components went too far to be put together. {}",
                      fmt::join(barriers_, ", "),
                      kGentler));
    }
    if (!weak_.empty()) {
      reading_.warnings.push_back(fmt::format(
          "The proxies and the components' own scores rank mixtures differently in {}, where a "
          "gauge below {:.1f} is low: at least one of the two is wrong. Only references can say "
          "which (validate.references).",
          fmt::join(weak_, ", "),
          limit_));
    }
    if (!noisy_.empty()) {
      reading_.warnings.push_back(
          fmt::format("The proxies' differences are mostly noise in {}, where a gauge below {:.1f} "
                      "is low. {}",
                      fmt::join(noisy_, ", "),
                      limit_,
                      kMoreItems));
    }
  }

  const GaugeSigns& signs_;
  const double limit_;
  const DriftReading drifts_;
  GaugeReading reading_;
  std::vector<std::string> barriers_, weak_, noisy_;  // domains, in words
};

}  // namespace

DriftReading read_drifts(std::span<const std::string> components, std::span<const double> drifts) {
  DriftReading reading;
  if (drifts.empty()) return reading;
  DEMIX_CHECK(components.size() == drifts.size());
  const double typical = median({drifts.begin(), drifts.end()});
  reading.far = typical >= kDriftLimit;
  if (reading.far) {
    reading.warnings.push_back(fmt::format(
        "The components lie about {:.2f} from the base, where {} is far: they are models of their "
        "own, and proxies put together from them need not be like any that is trained. {}",
        typical,
        kDriftLimit,
        kGentler));
  }
  if (drifts.size() < 3 || typical == 0) return reading;
  for (size_t k = 0; k < drifts.size(); ++k) {
    const bool too_far = drifts[k] >= kDriftOutlier * typical;
    if (!too_far && drifts[k] > typical / kDriftOutlier) continue;
    reading.standing_out.push_back(components[k]);
    reading.warnings.push_back(fmt::format(
        "Component {} lies {:.2g} from the base, the others about {:.2g}: it {}, and every proxy "
        "with a share of it is suspect. Train it anew, as the others.",
        components[k],
        drifts[k],
        typical,
        too_far ? "diverged or was trained otherwise" : "was hardly trained, or otherwise"));
  }
  return reading;
}

std::vector<double> barriers_of(const std::vector<std::vector<double>>& merged,
                                const std::vector<std::vector<double>>& interpolated) {
  std::vector<double> barriers;
  for (size_t d = 0; d < merged.size(); ++d)
    barriers.push_back(mean(interpolated[d]) - mean(merged[d]));
  return barriers;
}

GaugeReading read_gauge(const GaugeSigns& signs) {
  const size_t domains = signs.domains.size();
  DEMIX_CHECK(domains > 0 && signs.proxies.size() == domains &&
              signs.interpolated.size() == domains && signs.noise.size() == domains &&
              (signs.barriers.empty() || signs.barriers.size() == domains));
  return Reader(signs).read();
}

}  // namespace demix
