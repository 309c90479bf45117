// The search of a run: proxies are scored until it ends, then what was found is measured beside the
// baselines, and the gauge is read.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "demix/core/mixture.h"
#include "demix/run/foretelling.h"
#include "demix/run/gains.h"
#include "demix/run/state.h"
#include "demix/search/search.h"

namespace demix {

struct EnsembleEstimates;

class SearchStage {
 public:
  // `run` has its components, and outlives it.
  explicit SearchStage(RunState& run) : run_(run) {}

  // Fills in what the result has of the search. The components stay loaded.
  void run();

  // After run().
  const Foretelling& foretelling() const { return *foretelling_; }
  // With estimates, and gains of the last one, which was found, over the others.
  const std::vector<MixtureFacts>& baselines() const { return baselines_; }
  SearchProblem problem() const;

 private:
  // The components' own scores, which all estimates start from.
  void score_components(StageClock& clock);
  // Measurements of one batch of the search.
  std::vector<Measurements> score_batch(std::span<const Mixture> mixtures, StageClock& clock);
  // What the search took until the end of a round, the same when a run is resumed.
  Spent spent(int round);
  // Measures found and baselines by their proxies, and places them in the result.
  void verify_found(const SearchResult& found);
  // By domain: standard error of the difference of two proxies of the search, over √2. `terms` of
  // found and the baselines.
  std::vector<double> noise_by(const TermsOfMixtures& terms) const;
  // What flatters the gains that are reported.
  void warn_of_flattery(const TermsByMetric& terms) const;
  // By domain: by how much models merged at the baselines and at what was found, which are scored
  // on all items as the components are, score below interpolation.
  std::vector<double> barriers() const;
  // Drawn as references are, since these are what gauges were measured to foretell.
  std::vector<std::vector<double>> trial_mixtures() const;
  // Whether proxies can be trusted, and whether components were trained long enough.
  void read_gauges();
  void read_length_of(const EnsembleEstimates& estimates);

  RunState& run_;
  std::optional<Foretelling> foretelling_;  // once the components are scored
  std::vector<ProxyRequest> searched_;      // proxies of the search, in order
  std::vector<MixtureFacts> baselines_;
  std::vector<double> noise_;  // by domain, once found is verified
};

}  // namespace demix
