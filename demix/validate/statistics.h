// How well a chooser (a proxy, a share, an interpolation) foretells really trained references, with
// bootstrap intervals. Where there is no evidence there is no value.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "demix/core/rng.h"

namespace demix {

// All scores here are oriented: higher is better. `chooser` and `reference` hold one score per
// reference mixture, in the same order.

// Spearman on the best quarter of the references by their own score (rounded up, ties at the border
// included). No value with fewer than three of them.
std::optional<double> spearman_top_quartile(std::span<const double> chooser,
                                            std::span<const double> reference);

// Score of the best reference minus that of the reference that the chooser ranks first, in sample
// standard deviations of the references' scores; >= 0. Where several share the first rank, their
// mean. No value with fewer than three references or constant ones.
std::optional<double> regret(std::span<const double> chooser, std::span<const double> reference);

// Mean chooser score / mean reference score. No value when a mean is not positive, as for losses,
// which are negative when oriented.
std::optional<double> capability_recovery(std::span<const double> chooser,
                                          std::span<const double> reference);

struct BootstrapConfig {
  int resamples = 2000;
  double confidence = 0.95;
};

// A statistic with its percentile bootstrap interval. `low` and `high` have no value where the
// resamples cannot tell: too few references, or so many resamples without a value (all references
// the same) that the bound lies among them.
struct Evidence {
  std::optional<double> value, low, high;
};

// A statistic of some references, given by their positions (with repetitions).
using ReferenceStatistic = std::function<std::optional<double>(std::span<const size_t>)>;

// Of a chooser's scores and the references', such as spearman.
using Statistic = std::optional<double> (*)(std::span<const double> chooser,
                                            std::span<const double> reference);
// It, of one domain; its mean over domains, without a value where one domain has none; a − b. What
// they are given outlives them.
ReferenceStatistic of_one(Statistic statistic,
                          std::span<const double> chooser,
                          std::span<const double> reference);
ReferenceStatistic of_domains(Statistic statistic,
                              std::span<const std::vector<double>> chooser,
                              std::span<const std::vector<double>> reference);
ReferenceStatistic difference(ReferenceStatistic a, ReferenceStatistic b);

// Resamples the n references. Everything that compares choosers on the same references shares the
// resample, so differences are paired.
Evidence bootstrap(size_t n,
                   const ReferenceStatistic& statistic,
                   const Rng& rng,
                   const BootstrapConfig& config = {});

struct AgreementEvidence {
  Evidence spearman, spearman_top_quartile, pearson, capability_recovery, regret;
};

AgreementEvidence agreement(std::span<const double> chooser,
                            std::span<const double> reference,
                            const Rng& rng,
                            const BootstrapConfig& config = {});

// Over domains; [domain][reference]. Correlations and recovery are means over the domains (no value
// when one has none); regret is that of the search's objective, the mean percentile rank over
// domains, since one mixture is chosen for all of them.
AgreementEvidence macro_agreement(std::span<const std::vector<double>> chooser,
                                  std::span<const std::vector<double>> reference,
                                  const Rng& rng,
                                  const BootstrapConfig& config = {});

// Mean Spearman over domains of chooser a minus that of chooser b, paired.
Evidence spearman_difference(std::span<const std::vector<double>> a,
                             std::span<const std::vector<double>> b,
                             std::span<const std::vector<double>> reference,
                             const Rng& rng,
                             const BootstrapConfig& config = {});
// Macro regret of a minus that of b, paired: below zero, a decides better.
Evidence regret_difference(std::span<const std::vector<double>> a,
                           std::span<const std::vector<double>> b,
                           std::span<const std::vector<double>> reference,
                           const Rng& rng,
                           const BootstrapConfig& config = {});

}  // namespace demix
