// How far proxies can be trusted, from what is known before any reference is trained.
//
// A domain's gauge is the Spearman correlation, over the search's proxies, of their scores with
// those interpolated from the components, times the square root of the share of the proxies' spread
// that is not noise. Proxies and interpolation err in different ways: where they rank mixtures
// alike, both are likely to rank them as training does, and where they do not, at least one of them
// is wrong; and no ranking can agree with anything better than with itself.
//
// Where merged models score below the average of their components, merging breaks: models that came
// from one base by small steps lie in one basin of the loss, where a merge is at least as good as
// its parts on average (linear mode connectivity, Frankle et al. 2020), and a barrier between them
// says that they went too far. The gauge of merges is 0 there. Ensembles of such components suffer
// less, and their gauge keeps its value, but the reading says so. So it does where components lie
// far from the base: merging stands in for training by small steps only; and where one lies
// elsewhere than the others. What the gauge does not see is what proxies and interpolation have in
// common: components that were trained too little to show where their data leads
// (length_gauge.h), or on other data than is said (own_data.h).
// docs/fidelity.md has what it foretold.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace demix {

struct GaugeSigns {
  std::vector<std::string> components, domains;
  // By component: |Θ − base| / (|Θ| + |base|).
  std::vector<double> drifts;
  bool merges = true;  // whether the proxies are; else they are ensembles
  // Oriented scores of the same mixtures, [domain][mixture].
  std::vector<std::vector<double>> proxies, interpolated;
  // By domain: by how much models merged at some mixtures score below interpolation, averaged.
  // Empty: nothing was merged.
  std::vector<double> barriers;
  // By domain: standard error of the difference of two proxies' scores on the same items, over √2;
  // NaN where it is not known. It is then taken for zero, but a barrier must be as large as the
  // spread.
  std::vector<double> noise;
};

// Below it, what the proxies say is not to be acted on without references. Over 177 domains of
// studies (docs/fidelity.md) merges with less had a rank agreement of 0.41 on average, ensembles
// 0.52. Ensembles are often right where interpolation is wrong: from 0.6 to 0.7 they had 0.74.
inline constexpr double gauge_limit(bool merges) { return merges ? 0.7 : 0.6; }
// From it on, nothing speaks against them.
inline constexpr double kGaugeGood = 0.85;
// Components that typically lie this far from the base, as drift, are models of their own. What
// worked lay at 0.02 to 0.13; components made to fail at 0.36 and 0.57.
inline constexpr double kDriftLimit = 0.25;
// A component that moved this many times as far from the base as the median one, or a part of it as
// small, stands out.
inline constexpr double kDriftOutlier = 3;

// What the drifts alone say, as soon as there are components.
struct DriftReading {
  bool far = false;                       // the median one is at kDriftLimit or beyond
  std::vector<std::string> standing_out;  // components, where there are three or more
  std::vector<std::string> warnings;      // whole sentences, each with a remedy
};
DriftReading read_drifts(std::span<const std::string> components, std::span<const double> drifts);

struct GaugeReading {
  // In [0, 1]: the mean over the domains that have one; NaN where none has.
  double value = 0;
  // NaN with fewer than five mixtures, and where all proxies or all interpolated scores are alike.
  std::vector<double> domains;
  // Whatever the gauge: merging breaks in some domain, components lie far away, or one stands out.
  bool broken = false;
  std::string verdict;  // a sentence or two
  // Whole sentences, each with a remedy: merging that breaks, components that lie far away or stand
  // out, a gauge below its limit.
  std::vector<std::string> warnings;
};

// The mean of interpolated less merged scores over mixtures, by domain; [domain][mixture].
std::vector<double> barriers_of(const std::vector<std::vector<double>>& merged,
                                const std::vector<std::vector<double>>& interpolated);

GaugeReading read_gauge(const GaugeSigns& signs);

}  // namespace demix
