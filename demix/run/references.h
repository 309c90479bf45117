// Which mixtures are really trained, and what their scores say about the proxies.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "demix/core/mixture.h"
#include "demix/core/rng.h"
#include "demix/report/result.h"
#include "demix/run/metrics.h"
#include "demix/run/run_config.h"
#include "demix/validate/calibration.h"

namespace demix {

// Token counts to a power, as shares; of the power 0 equal parts of the datasets that have tokens.
std::vector<double> powers_of(std::span<const int64_t> dataset_tokens, double power);

// What the found mixture must beat: uniform (equal merge weights), natural (token counts as data
// shares), flattened (token counts to the power `flattened_power`) and, unless it is empty, current
// (the data shares used today, by dataset); data shares are projected onto what the components can
// express, and a note says how far. Names, notes, merge weights and data shares are filled in.
std::vector<MixtureFacts> choose_baselines(const Composition& composition,
                                           std::span<const int64_t> dataset_tokens,
                                           double flattened_power,
                                           const std::map<std::string, double>& current);

// The mixtures to train: uniform (equal merge weights), natural (token counts as data shares,
// projected onto what the components can express), found, then random ones that the search never
// saw, drawn from Dirichlet(spread, …, spread); `config.references` in all. Where the natural
// mixture had to be projected, the unprojected one follows last, without merge weights and outside
// every correlation. Names, notes, merge weights and data shares are filled in; scores are not.
std::vector<MixtureFacts> choose_references(const ValidateConfig& config,
                                            const Composition& composition,
                                            std::span<const int64_t> dataset_tokens,
                                            std::span<const double> found,
                                            Rng rng);

// Models trained elsewhere, by name: their mixtures, those that no weighted merge of the components
// has outside every correlation.
std::vector<MixtureFacts> imported_references(const std::map<std::string, ReferenceImport>& imports,
                                              const Composition& composition);

// The models of validate.scores, trained and scored elsewhere, with what they scored on `metrics`.
// Throws Error, with the file, on datasets that the run does not have, on metrics without a column
// and on names of the run's own references or of validate.import.
std::vector<MixtureFacts> scored_references(const ValidateConfig& validate,
                                            const Composition& composition,
                                            const std::vector<ScoredMetric>& metrics);

// Of references with the same mixture all but the first leave the statistics, where they would
// count twice; a note says so.
void note_repetitions(std::vector<MixtureFacts>& references);

// The components' own domain scores, averaged by merge weight: what one would foretell without
// merging. `components`: one vector of domain scores per component. Errors are taken as
// independent.
std::vector<Score> interpolated_scores(std::span<const double> merge_weights,
                                       const std::vector<std::vector<Score>>& components);

// Share of the data that belongs to each domain: what one would foretell without any model. Unknown
// for a domain that no dataset names as its own.
std::vector<Score> own_shares(std::span<const double> data_shares,
                              const std::vector<DatasetFacts>& datasets,
                              const std::vector<DomainFacts>& domains);

// Of a mixture that was foretold: by its proxy, by interpolation and by its own share.
EstimatedMixture estimated(const MixtureFacts& facts);

// What these estimates of each reference inside the correlations lead to expect of it, learned from
// the other references: into `calibrated`. Nothing with fewer than kFewestToCalibrate of them.
inline constexpr size_t kFewestToCalibrate = 6;
void calibrate_by_others(std::vector<MixtureFacts>& references);

// Agreement of proxies and free baselines with the trained references inside the correlations, by
// domain and macro, with bootstrap intervals over the references.
Fidelity measure_fidelity(const std::vector<MixtureFacts>& references,
                          size_t domains,
                          int resamples,
                          const Rng& rng);

}  // namespace demix
