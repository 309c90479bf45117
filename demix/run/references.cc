#include "demix/run/references.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/search/swarm_csv.h"
#include "demix/validate/statistics.h"

namespace demix {
namespace {

constexpr double kMoved = 1e-6;  // total variation
// Of mixtures that were written down with few digits.
constexpr double kSameData = 1e-3;

MixtureFacts reference(std::string name,
                       std::vector<double> merge_weights,
                       const Composition& composition) {
  MixtureFacts facts;
  facts.name = std::move(name);
  facts.mixture = composition.data_shares(merge_weights);
  facts.merge_weights = std::move(merge_weights);
  return facts;
}

// Data shares as the nearest mixture of the components.
MixtureFacts projected(std::string name,
                       std::span<const double> shares,
                       const char* what,
                       const Composition& composition) {
  const Projection projection = composition.project(shares);
  MixtureFacts facts = reference(std::move(name), projection.merge_weights, composition);
  if (projection.total_variation > kMoved) {
    facts.note = fmt::format(
        "{}, projected onto what the components can express: {:.1f} % of the data differs",
        what,
        100 * projection.total_variation);
  }
  return facts;
}

double or_unknown(const std::optional<double>& value) { return value ? *value : kUnknown; }

Estimate estimate(const Evidence& evidence) {
  return {or_unknown(evidence.value), or_unknown(evidence.low), or_unknown(evidence.high)};
}

Agreement agreement_facts(const AgreementEvidence& evidence) {
  return {estimate(evidence.spearman),
          estimate(evidence.spearman_top_quartile),
          estimate(evidence.pearson),
          estimate(evidence.capability_recovery),
          estimate(evidence.regret)};
}

// [domain][reference], or empty when a score is unknown.
using Table = std::vector<std::vector<double>>;

ChooserFidelity chooser_fidelity(const Table& chooser,
                                 const Table& trained,
                                 const BootstrapConfig& config,
                                 const Rng& rng) {
  ChooserFidelity fidelity;
  bool complete = true;
  for (size_t d = 0; d < trained.size(); ++d) {
    const bool known = chooser[d].size() == trained[d].size();
    complete &= known;
    // One stream for all choosers: they see the same resamples, so their differences are paired.
    fidelity.domains.push_back(
        known ? agreement_facts(agreement(chooser[d], trained[d], rng.stream("domain"), config))
              : Agreement{});
  }
  if (complete) {
    fidelity.macro =
        agreement_facts(macro_agreement(chooser, trained, rng.stream("macro"), config));
  }
  return fidelity;
}

}  // namespace

std::vector<double> powers_of(std::span<const int64_t> dataset_tokens, double power) {
  std::vector<double> shares;
  double total = 0;
  for (const int64_t tokens : dataset_tokens) {
    total += shares.emplace_back(tokens > 0 ? std::pow(static_cast<double>(tokens), power) : 0);
  }
  for (double& share : shares) share /= total;
  return shares;
}

std::vector<MixtureFacts> choose_baselines(const Composition& composition,
                                           std::span<const int64_t> dataset_tokens,
                                           double flattened_power,
                                           const std::map<std::string, double>& current) {
  const size_t components = composition.components().size();
  std::vector<MixtureFacts> baselines;
  baselines.push_back(
      reference("uniform",
                std::vector<double>(components, 1.0 / static_cast<double>(components)),
                composition));
  baselines.push_back(
      projected("natural", powers_of(dataset_tokens, 1), "token counts", composition));
  baselines.push_back(projected("flattened",
                                powers_of(dataset_tokens, flattened_power),
                                "flattened token counts",
                                composition));
  if (current.empty()) return baselines;
  std::vector<double> shares;
  double sum = 0;
  for (const std::string& dataset : composition.datasets()) {
    const auto share = current.find(dataset);
    sum += shares.emplace_back(share == current.end() ? 0 : share->second);
  }
  for (double& share : shares) share /= sum;
  baselines.push_back(projected("current", shares, "the current mixture", composition));
  return baselines;
}

std::vector<MixtureFacts> choose_references(const ValidateConfig& config,
                                            const Composition& composition,
                                            std::span<const int64_t> dataset_tokens,
                                            std::span<const double> found,
                                            Rng rng) {
  if (config.references == 0) return {};
  const size_t components = composition.components().size();
  const std::vector<double> natural = powers_of(dataset_tokens, 1);

  std::vector<MixtureFacts> references;
  references.push_back(
      reference("uniform",
                std::vector<double>(components, 1.0 / static_cast<double>(components)),
                composition));
  references.push_back(projected("natural", natural, "token counts", composition));
  const bool moved = !references.back().note.empty();
  references.push_back(reference("found", {found.begin(), found.end()}, composition));
  const std::vector<double> concentrations(components, config.spread);
  for (int i = static_cast<int>(references.size()); i < config.references; ++i) {
    references.push_back(
        reference(fmt::format("random_{:02}", i - 2), rng.dirichlet(concentrations), composition));
  }
  if (moved) {
    MixtureFacts facts;
    facts.name = "natural_unprojected";
    facts.mixture = natural;
    facts.in_correlations = false;
    facts.note = "token counts as they are; no weighted merge of the components has this data";
    references.push_back(std::move(facts));
  }
  return references;
}

namespace {

// Says which of what stands under `key` cannot be compared with any proxy.
void warn_of_outside(const std::vector<MixtureFacts>& references, std::string_view key) {
  const auto outside = [](const MixtureFacts& facts) { return !facts.in_correlations; };
  const auto first = std::find_if(references.begin(), references.end(), outside);
  if (first == references.end()) return;
  warn(fmt::format("Of the {} references of {} {} are outside the statistics, the first is {}: {}.",
                   references.size(),
                   key,
                   std::count_if(references.begin(), references.end(), outside),
                   first->name,
                   first->note));
}

// A reference of these data shares that others trained.
MixtureFacts trained_elsewhere(const std::string& name,
                               std::vector<double> shares,
                               const Composition& composition) {
  MixtureFacts facts;
  facts.name = name;
  facts.mixture = std::move(shares);
  Projection projection = composition.project(facts.mixture);
  if (projection.total_variation <= kSameData) {
    facts.merge_weights = std::move(projection.merge_weights);
    return facts;
  }
  facts.in_correlations = false;
  facts.note = fmt::format(
      "no weighted merge of the components has this data; the nearest differs in {:.1f} % of it",
      100 * projection.total_variation);
  return facts;
}

}  // namespace

std::vector<MixtureFacts> imported_references(const std::map<std::string, ReferenceImport>& imports,
                                              const Composition& composition) {
  std::vector<MixtureFacts> references;
  for (const auto& [name, reference] : imports) {
    std::vector<double> shares;
    double sum = 0;
    for (const std::string& dataset : composition.datasets()) {
      const auto share = reference.mixture.find(dataset);
      sum += shares.emplace_back(share == reference.mixture.end() ? 0 : share->second);
    }
    for (double& share : shares) share /= sum;
    references.push_back(trained_elsewhere(name, std::move(shares), composition));
  }
  warn_of_outside(references, "validate.import");
  return references;
}

std::vector<MixtureFacts> scored_references(const ValidateConfig& validate,
                                            const Composition& composition,
                                            const std::vector<ScoredMetric>& metrics) {
  const ReferenceScores& files = *validate.scores;
  const Swarm swarm = read_swarm(files.mixtures, files.scores);
  for (const std::string& warning : swarm.warnings) warn(warning);
  const auto place = [](const std::vector<std::string>& names, const std::string& name) {
    return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  for (const std::string& dataset : swarm.datasets) {
    if (place(composition.datasets(), dataset) == composition.datasets().size())
      throw Error("{}: there is no dataset '{}' in this run; there are {}",
                  files.mixtures.string(),
                  dataset,
                  fmt::join(composition.datasets(), ", "));
  }
  for (const std::string& run : swarm.runs) {
    if (is_own_reference(run) || validate.import.contains(run))
      throw Error(
          "{}: run '{}' has the name of {}; give it another one, in both files",
          files.mixtures.string(),
          run,
          is_own_reference(run) ? "a reference of the run's own" : "a model under validate.import");
  }
  std::vector<std::string> missing;
  for (const ScoredMetric& scored : metrics)
    if (place(swarm.metrics, scored.metric.name) == swarm.metrics.size())
      missing.push_back(scored.metric.name);
  if (!missing.empty())
    throw Error(
        "{}: no column {}; a reference needs every score that counts in this run "
        "(evaluate.domains), and what was not measured is not zero",
        files.scores.string(),
        fmt::join(missing, ", "));

  const Objective objective = objective_of(metrics);
  std::vector<std::string> unused;
  for (const std::string& name : swarm.metrics)
    if (std::none_of(metrics.begin(), metrics.end(), [&](const ScoredMetric& scored) {
          return scored.metric.name == name;
        }))
      unused.push_back(fmt::format("'{}'", printable(name)));
  if (!unused.empty())
    warn(fmt::format("{}: left out as no scores of this run (evaluate.domains): column{} {}.",
                     files.scores.string(),
                     unused.size() > 1 ? "s" : "",
                     fmt::join(unused, ", ")));
  std::vector<MixtureFacts> references;
  for (size_t run = 0; run < swarm.runs.size(); ++run) {
    std::vector<double> shares;
    for (const std::string& dataset : composition.datasets()) {
      const size_t column = place(swarm.datasets, dataset);
      shares.push_back(column == swarm.datasets.size() ? 0 : swarm.mixtures.row(run)[column]);
    }
    MixtureFacts facts = trained_elsewhere(swarm.runs[run], std::move(shares), composition);
    Measurements measured;
    for (const ScoredMetric& scored : metrics) {
      const size_t column = place(swarm.metrics, scored.metric.name);
      const auto& errors = swarm.standard_errors[column];
      Measurement& one = measured[scored.metric.name];
      one = {swarm.scores[column][run], errors.empty() ? 0 : errors[run]};
      facts.trained.tasks.push_back({one.value, errors.empty() ? kUnknown : one.standard_error});
    }
    const std::vector<double> values =
        objective.domain_scores(objective.oriented(measured, facts.name));
    const std::vector<double> errors = objective.domain_errors(measured);
    for (size_t d = 0; d < values.size(); ++d)
      facts.trained.domains.push_back({values[d], errors[d] > 0 ? errors[d] : kUnknown});
    references.push_back(std::move(facts));
  }
  warn_of_outside(references, "validate.scores");
  return references;
}

void note_repetitions(std::vector<MixtureFacts>& references) {
  for (size_t i = 0; i < references.size(); ++i) {
    for (size_t j = 0; j < i && references[i].in_correlations; ++j) {
      if (!references[j].in_correlations ||
          l1_distance(references[i].mixture, references[j].mixture) / 2 > kSameData)
        continue;
      references[i].in_correlations = false;
      references[i].note = fmt::format("the same mixture as {}, which alone is in the statistics",
                                       references[j].name);
      if (!is_own_reference(references[i].name) || !is_own_reference(references[j].name))
        warn(fmt::format("The reference {} is outside the statistics: {}.",
                         references[i].name,
                         references[i].note));
    }
  }
}

std::vector<Score> interpolated_scores(std::span<const double> merge_weights,
                                       const std::vector<std::vector<Score>>& components) {
  DEMIX_CHECK(merge_weights.size() == components.size() && !components.empty());
  std::vector<Score> scores(components[0].size(), Score{0, 0});
  for (size_t d = 0; d < scores.size(); ++d) {
    double variance = 0;
    for (size_t k = 0; k < components.size(); ++k) {
      scores[d].value += merge_weights[k] * components[k][d].value;
      const double error = merge_weights[k] * components[k][d].standard_error;
      variance += error * error;
    }
    scores[d].standard_error = std::sqrt(variance);
  }
  return scores;
}

std::vector<Score> own_shares(std::span<const double> data_shares,
                              const std::vector<DatasetFacts>& datasets,
                              const std::vector<DomainFacts>& domains) {
  std::vector<Score> shares;
  for (const DomainFacts& domain : domains) {
    Score share;
    for (size_t i = 0; i < datasets.size(); ++i) {
      if (datasets[i].domain != domain.name) continue;
      if (std::isnan(share.value)) share = {0, 0};
      share.value += data_shares[i];
    }
    shares.push_back(share);
  }
  return shares;
}

EstimatedMixture estimated(const MixtureFacts& facts) {
  EstimatedMixture mixture{facts.mixture, {}};
  for (const std::vector<Score>* scores :
       {&facts.proxy.domains, &facts.interpolation, &facts.own_share})
    mixture.estimates.push_back(values_of(*scores));
  return mixture;
}

void calibrate_by_others(std::vector<MixtureFacts>& references) {
  std::vector<MixtureFacts*> inside;
  std::vector<EstimatedMixture> mixtures;
  std::vector<std::vector<double>> trained;
  for (MixtureFacts& facts : references) {
    facts.calibrated.clear();
    if (!facts.in_correlations || facts.trained.domains.empty()) continue;
    inside.push_back(&facts);
    mixtures.push_back(estimated(facts));
    trained.push_back(values_of(facts.trained.domains));
  }
  if (inside.size() < kFewestToCalibrate) return;
  const auto expected = calibrated_by_others(mixtures, trained);
  for (size_t i = 0; i < inside.size(); ++i)
    for (const Forecast& forecast : expected[i])
      inside[i]->calibrated.push_back({forecast.mean, forecast.deviation()});
}

Fidelity measure_fidelity(const std::vector<MixtureFacts>& references,
                          size_t domains,
                          int resamples,
                          const Rng& rng) {
  Table trained(domains), proxy(domains), share(domains), interpolation(domains), other(domains),
      calibrated(domains);
  Fidelity fidelity;
  for (const MixtureFacts& facts : references) {
    if (!facts.in_correlations) continue;
    ++fidelity.references;
    for (size_t d = 0; d < domains; ++d) {
      trained[d].push_back(facts.trained.domains[d].value);
      proxy[d].push_back(facts.proxy.domains[d].value);
      interpolation[d].push_back(facts.interpolation[d].value);
      if (!facts.calibrated.empty()) calibrated[d].push_back(facts.calibrated[d].value);
      if (!facts.other_proxy.empty()) other[d].push_back(facts.other_proxy[d].value);
      if (const double own = facts.own_share[d].value; !std::isnan(own)) share[d].push_back(own);
    }
  }
  BootstrapConfig config;
  config.resamples = resamples;
  fidelity.proxy = chooser_fidelity(proxy, trained, config, rng);
  fidelity.interpolation = chooser_fidelity(interpolation, trained, config, rng);
  fidelity.own_share = chooser_fidelity(share, trained, config, rng);
  if (!other.empty() && !other[0].empty())
    fidelity.other_proxy = chooser_fidelity(other, trained, config, rng);
  if (!calibrated.empty() && !calibrated[0].empty())
    fidelity.calibrated = chooser_fidelity(calibrated, trained, config, rng);
  const auto lead = [&](const Table& baseline) {
    for (size_t d = 0; d < domains; ++d) {
      if (baseline[d].size() != trained[d].size()) return Fidelity::Lead{};
    }
    const Rng stream = rng.stream("lead");
    return Fidelity::Lead{estimate(spearman_difference(proxy, baseline, trained, stream, config)),
                          estimate(regret_difference(proxy, baseline, trained, stream, config))};
  };
  fidelity.over_interpolation = lead(interpolation);
  fidelity.over_own_share = lead(share);
  fidelity.over_other_proxy = lead(other);
  fidelity.over_calibrated = lead(calibrated);
  // A share is no score, so its ratio to one means nothing.
  fidelity.own_share.macro.capability_recovery = {};
  for (Agreement& agreement : fidelity.own_share.domains) agreement.capability_recovery = {};
  return fidelity;
}

}  // namespace demix
