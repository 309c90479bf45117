// The references of a run: models that are trained for real, which say how far its proxies can be
// trusted, and what is better than what the search found.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "demix/run/gains.h"
#include "demix/run/refinement.h"
#include "demix/run/search_stage.h"
#include "demix/run/state.h"

namespace demix {

class ReferenceStage {
 public:
  // `elsewhere`: references that were trained elsewhere. `run` and `search`, which is over, outlive
  // it.
  ReferenceStage(RunState& run, const SearchStage& search, std::vector<MixtureFacts> elsewhere)
      : run_(run), search_(search), references_(std::move(elsewhere)) {}

  // Chooses them, and fills in what can be said of them before they are trained, for which the
  // components are loaded.
  void choose();
  // Trains and scores them, and fills in what the result has of them.
  void run();

 private:
  // How all references are trained; their data order is not that of the components: noise that
  // they shared would cancel here, but not between the components and the training that the mixture
  // is for.
  ModelRequest request_of(const MixtureFacts& facts, uint64_t order = 0) const;
  void score_imported();
  void train();
  // Has workers score those that were trained for the references from place `first` on.
  void share(std::span<const ModelFacts> trained, size_t first);
  // Whether what each item adds to its scores is asked for too.
  bool needs_terms(const MixtureFacts& facts) const;
  void score(const ModelFacts& model, MixtureFacts& facts);
  // Where some do not fit the others, or proxies promise more than is real.
  void warn_of_references() const;
  // Trains further references where those before lead to expect most, and hands over the best.
  void refine();
  // Hands over a reference in place of what the search found.
  void hand_over(const MixtureFacts& chosen, const SearchResult& placed);
  // Of the references that have been measured so far.
  Fidelity fidelity_of_measured() const;
  // Whether the references so far tell the proxies' agreement as exactly as was asked.
  bool is_narrow_enough() const;

  RunState& run_;
  const SearchStage& search_;
  std::vector<MixtureFacts> references_;  // those to train, then those that were trained elsewhere
  size_t to_train_ = 0;                   // how many the former are
  TermsOfMixtures terms_;                 // of those that are compared
  SelectedScores selected_scores_;        // not of those that were scored elsewhere
};

}  // namespace demix
