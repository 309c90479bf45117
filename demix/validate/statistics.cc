#include "demix/validate/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/ranks.h"
#include "demix/search/objective.h"

namespace demix {
namespace {

using Scores = std::span<const double>;
using DomainScores = std::span<const std::vector<double>>;

// With fewer references, resampling says nothing.
constexpr size_t kFewestForInterval = 4;

std::vector<double> pick(Scores values, std::span<const size_t> positions) {
  std::vector<double> picked;
  picked.reserve(positions.size());
  for (size_t i : positions) picked.push_back(values[i]);
  return picked;
}

std::vector<size_t> all_positions(size_t n) {
  std::vector<size_t> positions(n);
  std::iota(positions.begin(), positions.end(), size_t{0});
  return positions;
}

void check_shapes(DomainScores chooser, DomainScores reference) {
  DEMIX_CHECK(!reference.empty() && chooser.size() == reference.size());
  for (size_t d = 0; d < reference.size(); ++d) {
    DEMIX_CHECK(chooser[d].size() == reference[0].size());
    DEMIX_CHECK(reference[d].size() == reference[0].size());
  }
}

// The value below which a share `level` of `sorted` lies, interpolated between neighbours (as numpy
// does). No value where a neighbour is infinite: it stands for a resample without a value.
std::optional<double> quantile(const std::vector<double>& sorted, double level) {
  const double place = level * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double fraction = place - static_cast<double>(below);
  if (!std::isfinite(sorted[below]) || (fraction > 0 && !std::isfinite(sorted[above])))
    return std::nullopt;
  if (fraction == 0) return sorted[below];
  return sorted[below] + fraction * (sorted[above] - sorted[below]);
}

}  // namespace

ReferenceStatistic of_one(Statistic statistic, Scores chooser, Scores reference) {
  return [=](std::span<const size_t> positions) {
    return statistic(pick(chooser, positions), pick(reference, positions));
  };
}

ReferenceStatistic of_domains(Statistic statistic, DomainScores chooser, DomainScores reference) {
  return [=](std::span<const size_t> positions) -> std::optional<double> {
    double sum = 0;
    for (size_t d = 0; d < reference.size(); ++d) {
      const auto value = statistic(pick(chooser[d], positions), pick(reference[d], positions));
      if (!value) return std::nullopt;
      sum += *value;
    }
    return sum / static_cast<double>(reference.size());
  };
}

ReferenceStatistic difference(ReferenceStatistic a, ReferenceStatistic b) {
  return [a = std::move(a),
          b = std::move(b)](std::span<const size_t> positions) -> std::optional<double> {
    const auto x = a(positions), y = b(positions);
    if (!x || !y) return std::nullopt;
    return *x - *y;
  };
}

std::optional<double> spearman_top_quartile(Scores chooser, Scores reference) {
  DEMIX_CHECK(chooser.size() == reference.size());
  const size_t count = (reference.size() + 3) / 4;
  if (count < 3) return std::nullopt;
  std::vector<double> sorted(reference.begin(), reference.end());
  std::sort(sorted.rbegin(), sorted.rend());
  const double border = sorted[count - 1];
  std::vector<double> best_chooser, best_reference;
  for (size_t i = 0; i < reference.size(); ++i) {
    if (reference[i] < border) continue;
    best_chooser.push_back(chooser[i]);
    best_reference.push_back(reference[i]);
  }
  return spearman(best_chooser, best_reference);
}

std::optional<double> regret(Scores chooser, Scores reference) {
  DEMIX_CHECK(chooser.size() == reference.size());
  if (reference.size() < 3) return std::nullopt;
  const auto [least, best] = std::minmax_element(reference.begin(), reference.end());
  if (*least == *best) return std::nullopt;
  const double first = *std::max_element(chooser.begin(), chooser.end());
  double sum = 0;
  int ties = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    if (chooser[i] < first) continue;
    sum += reference[i];
    ++ties;
  }
  return (*best - sum / ties) / standard_deviation(reference);
}

std::optional<double> capability_recovery(Scores chooser, Scores reference) {
  DEMIX_CHECK(chooser.size() == reference.size());
  if (reference.empty()) return std::nullopt;
  const double a = mean(chooser), b = mean(reference);
  if (!(a > 0) || !(b > 0)) return std::nullopt;
  return a / b;
}

Evidence bootstrap(size_t n,
                   const ReferenceStatistic& statistic,
                   const Rng& rng,
                   const BootstrapConfig& config) {
  DEMIX_CHECK(config.resamples > 1 && config.confidence > 0 && config.confidence < 1);
  Evidence evidence{statistic(all_positions(n)), std::nullopt, std::nullopt};
  if (!evidence.value || n < kFewestForInterval) return evidence;
  Rng stream = rng.stream("bootstrap");
  std::vector<double> values;
  int without_value = 0;
  std::vector<size_t> positions(n);
  for (int k = 0; k < config.resamples; ++k) {
    for (size_t& position : positions) position = stream.below(n);
    const auto value = statistic(positions);
    if (value) {
      values.push_back(*value);
    } else {
      ++without_value;
    }
  }
  std::sort(values.begin(), values.end());
  // A resample without a value could have had any: it counts as lowest for the lower bound and as
  // highest for the upper one.
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> pessimistic(without_value, -kInfinity), optimistic = values;
  pessimistic.insert(pessimistic.end(), values.begin(), values.end());
  optimistic.insert(optimistic.end(), without_value, kInfinity);
  const double tail = 0.5 * (1 - config.confidence);
  evidence.low = quantile(pessimistic, tail);
  evidence.high = quantile(optimistic, 1 - tail);
  return evidence;
}

AgreementEvidence agreement(Scores chooser,
                            Scores reference,
                            const Rng& rng,
                            const BootstrapConfig& config) {
  DEMIX_CHECK(chooser.size() == reference.size());
  const auto evidence = [&](Statistic statistic) {
    return bootstrap(reference.size(), of_one(statistic, chooser, reference), rng, config);
  };
  return {.spearman = evidence(spearman),
          .spearman_top_quartile = evidence(spearman_top_quartile),
          .pearson = evidence(pearson),
          .capability_recovery = evidence(capability_recovery),
          .regret = evidence(regret)};
}

AgreementEvidence macro_agreement(DomainScores chooser,
                                  DomainScores reference,
                                  const Rng& rng,
                                  const BootstrapConfig& config) {
  check_shapes(chooser, reference);
  const auto evidence = [&](Statistic statistic) {
    return bootstrap(reference[0].size(), of_domains(statistic, chooser, reference), rng, config);
  };
  const auto chooser_objective = mean_percentile_rank(chooser),
             reference_objective = mean_percentile_rank(reference);
  return {.spearman = evidence(spearman),
          .spearman_top_quartile = evidence(spearman_top_quartile),
          .pearson = evidence(pearson),
          .capability_recovery = evidence(capability_recovery),
          .regret = bootstrap(reference[0].size(),
                              of_one(regret, chooser_objective, reference_objective),
                              rng,
                              config)};
}

Evidence spearman_difference(DomainScores a,
                             DomainScores b,
                             DomainScores reference,
                             const Rng& rng,
                             const BootstrapConfig& config) {
  check_shapes(a, reference);
  check_shapes(b, reference);
  return bootstrap(
      reference[0].size(),
      difference(of_domains(spearman, a, reference), of_domains(spearman, b, reference)),
      rng,
      config);
}

Evidence regret_difference(DomainScores a,
                           DomainScores b,
                           DomainScores reference,
                           const Rng& rng,
                           const BootstrapConfig& config) {
  check_shapes(a, reference);
  check_shapes(b, reference);
  const auto objective_a = mean_percentile_rank(a), objective_b = mean_percentile_rank(b),
             truth = mean_percentile_rank(reference);
  return bootstrap(
      truth.size(),
      difference(of_one(regret, objective_a, truth), of_one(regret, objective_b, truth)),
      rng,
      config);
}

}  // namespace demix
